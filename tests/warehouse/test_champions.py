"""The champions of the registry, as the warehouse knows them from the events that the log brought."""

import re
from collections.abc import Iterator
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from augury.settings import ROOT
from inference.registry import Registry
from tests import registered
from tests.warehouse.answers import Answer, publish
from warehouse.client import Client
from warehouse.targets import RECORDS

FIRST = 1_700_000_000_000  # 2023-11-14 22:13:20 UTC
MINUTE = 60_000
MODEL = "late_arrival"


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """A registry whose clock goes on by a minute with each look."""
    minutes = count(FIRST, MINUTE)
    registry = Registry(f"sqlite:///{tmp_path}/registry.db", lambda: next(minutes))
    registry.migrate()
    yield registry
    registry.close()


def register(registry: Registry, name: str = MODEL) -> int:
    return registered.register(registry, name, {}, by="retraining", why="drift")


def change_hands(registry: Registry) -> None:
    """Let three versions follow each other, the second be rolled back, and the model be retired."""
    registry.promote(MODEL, register(registry), by="ann", why="the first")
    for version in (2, 3):
        register(registry)
        registry.start_trial(MODEL, version, by="evaluation", why="registered")
        evidence = {"e_value": 20.0 * version, "wins": 40}
        registry.promote(MODEL, version, by="evaluation", why="it won", evidence=evidence)
        if version == 2:
            registry.rollback(MODEL, by="bob", why="it was slow")
    registry.retire(MODEL, register(registry), by="ann", why="never asked")
    registry.promote("other", register(registry, "other"), by="ann", why="of another model")


def store(client: Client, registry: Registry) -> None:
    """Write the registry's events to the warehouse as the sink does, some twice and in another order."""
    target = RECORDS["registry.events"]
    events = [event for name in registry.models() for event in registry.history.events(name)]
    lines = [[*target.row(asdict(event)), event.at] for event in [*reversed(events), *events[:3]]]
    client.insert(target.table, lines, column_names=target.columns)


def rows(client: Client, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in client.query(sql, parameters=parameters).result_rows]


def test_the_warehouse_and_the_registry_name_the_same_champions(database: Client, registry: Registry) -> None:
    change_hands(registry)
    registry.retire(MODEL, 3, by="ann", why="the model is not needed any more")
    store(database, registry)
    known = registry.history.champions(MODEL)
    assert [reign.version for reign in known] == [1, 2, 1, 3]
    found = rows(
        database,
        "SELECT version, toUnixTimestamp64Milli(valid_from), toUnixTimestamp64Milli(valid_to), kind, by, "
        "why, JSONExtractFloat(evidence, 'e_value'), ended_by, ended_why "
        "FROM champions WHERE model_name = {model:String} ORDER BY position",
        model=MODEL,
    )
    assert found == [
        (
            reign.version,
            reign.valid_from,
            reign.valid_to,
            reign.kind,
            reign.by,
            reign.why,
            None if reign.evidence is None else reign.evidence["e_value"],
            reign.ended_by,
            reign.ended_why,
        )
        for reign in known
    ]


def test_an_answer_stands_beside_the_champion_of_its_moment(database: Client, registry: Registry) -> None:
    change_hands(registry)
    registry.retire(MODEL, 3, by="ann", why="not needed")
    store(database, registry)
    reigns = registry.history.champions(MODEL)
    answered: Answer = {
        "model_name": MODEL,
        "model_version_used": 1,
        "variant": "champion",
        "door": "http",
        "prediction": 0.5,
        "error": None,
        "entity_keys": {},
        "inputs": {},
        "feature_values_used": {},
        "rows": [],
        **{f"latency_{part}_ms": 0.1 for part in ("features", "on_demand", "model", "total")},
        "outputs": [],
        "predicted_class": None,
        "bias": None,
        "contributions": {},
        "frozen": [],
    }
    ends = [reigns[0].valid_from - 1, *(r.valid_from for r in reigns), *(r.valid_to or 0 for r in reigns)]
    moments = sorted({*ends, *(end - 1 for end in ends)})
    answers = [
        answered
        | {"request_id": f"{at}", "deduplication_key": f"{at}", "requested_at": 5, "predicted_at": at}
        for at in moments
    ]
    publish(database, answers)
    found = rows(
        database,
        "SELECT toUnixTimestamp64Milli(predicted_at), champion_version, champion_by, champion_why, "
        "toUnixTimestamp64Milli(champion_from) FROM answers_with_champion ORDER BY predicted_at",
    )
    assert len(found) == len(moments)
    for at, *decision in found:
        held = [r for r in reigns if r.valid_from <= at and (r.valid_to is None or at < r.valid_to)]
        expected = [(r.version, r.by, r.why, r.valid_from) for r in held] or [(None, None, None, None)]
        assert [tuple(decision)] == expected, at


def test_the_document_has_the_query_and_its_output(database: Client, registry: Registry) -> None:
    change_hands(registry)
    store(database, registry)
    text = (ROOT / "docs" / "promotion.md").read_text()
    shown = re.findall(r"```sql\n(.*?)```\n\n```text\n(.*?)```", text, re.DOTALL)
    assert len(shown) == 2
    plain = {"output_format_pretty_color": 0, "output_format_pretty_row_numbers": 0}
    for query, output in shown:
        found = database.raw_query(query, fmt="PrettyCompactMonoBlock", settings=plain).decode()
        assert found.strip() == output.strip()
