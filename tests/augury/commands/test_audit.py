from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from augury.cli import app
from augury.clients import warehouse
from augury.models import registry
from augury.settings import Settings
from augury.stack import Stack
from features.compile import compile_group
from features.contracts import AppliedContract
from features.cutover import target_of
from features.plan import GroupPlan
from features.project import load_project
from features.reference import rows
from tests.definitions import plain
from tests.features.logs import MINUTE, START, Step, log
from tests.warehouse.history import EVER, create, write_log
from warehouse.backfill import backfill
from warehouse.client import Client, migrate
from warehouse.targets import RECORDS

PROJECT = """
from dataclasses import replace
from tests.definitions import late as model, plain as only
late = replace(model, features=[only["count_1h"]], inputs={}, on_demand={})
only_on_demand = replace(model, name="unread", features=[])
del model
"""
LOG = log([Step(gap=MINUTE)] * 10)

pytestmark = pytest.mark.stack


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A warehouse with a group backfilled as far as the log has come."""
    (tmp_path / "tried_project.py").write_text(PROJECT)
    monkeypatch.syspath_prepend(tmp_path)
    settings = Settings.with_free_ports(tmp_path / "home")
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    with Stack(settings, parts=("warehouse",)):
        client = warehouse(settings)
        migrate(client)
        create(client, plan())
        write_log(client, plan().source, LOG)
        backfill(client, plan(), EVER, START + 10 * MINUTE)
        yield client
        client.close()


def plan() -> GroupPlan:
    return load_project("tried_project").group_plans["plain.v1"]


def answered(client: Client, value: float, key: str = "one", version: int = 1) -> None:
    """Log an answer that used the fifth row."""
    held = rows(plan(), LOG, START + 10 * MINUTE)[4]
    identity = {"entity": "A", "event_timestamp": held["event_timestamp"], "seq": held["seq"]}
    answer = {field["name"]: 0 for field in RECORDS["prediction.results"].schema["fields"]}
    answer |= {"deduplication_key": key, "request_id": key, "model_name": "late", "error": None}
    answer |= {"variant": "champion", "door": "http", "entity_keys": {}, "inputs": {}}
    answer |= {"requested_at": START + 7 * MINUTE, "feature_values_used": {"plain.count_1h": value}}
    answer["rows"] = [{"group": "plain", "version": version, **identity, "state": "fresh", "age_ms": 0}]
    target = RECORDS["prediction.results"]
    client.insert(target.table, [[*target.row(answer), START]], column_names=target.columns)


def audited(*words: str) -> Result:
    return CliRunner().invoke(app, ["audit", "tried_project", *words])


def test_the_audit_says_what_differs_and_its_status_tells(client: Client) -> None:
    answered(client, 5.0)
    answered(client, 9.0, "another version", version=2)
    done = audited("late")
    assert done.exit_code == 0, done.output
    assert "late on plain.v1: 1 vectors audited, 0 differ, 1 of other group versions skipped" in done.output
    assert "1 rows used, 0 the newest" in " ".join(done.output.split())
    assert "120,000 ms (p50)" in " ".join(done.output.split())

    answered(client, 6.0, "two")
    done = audited("late")
    assert done.exit_code == 1
    assert "2 vectors audited, 1 differ" in done.output
    assert [line.split()[1::2] for line in done.output.splitlines() if "plain.count_1h" in line] == [
        ["plain.count_1h", "1"]
    ]
    until = "2013-01-01T00:07:00"  # the moment of both requests, which the range leaves out
    assert "0 vectors audited" in audited("late", "--until", until).output


def test_vectors_with_rows_of_the_version_that_was_cut_over_to_are_audited_apart(client: Client) -> None:
    following = compile_group(replace(plain, version=2))
    create(client, following)
    backfill(client, following, EVER, START + 10 * MINUTE)
    contract = (following.name, 2, following.to_json(), following.contract_hash, 1_000)
    held = registry(Settings())
    held.cutovers.cut_over(1, target_of(AppliedContract(*contract)), by="a test", why="a test")
    held.close()
    answered(client, 5.0)
    answered(client, 5.0, "after the cut-over", version=2)
    done = audited("late")
    assert done.exit_code == 0, done.output
    for version in (1, 2):
        assert f"late on plain.v{version}: 1 vectors audited, 0 differ, 1 of other" in done.output
    answered(client, 9.0, "another", version=2)
    done = audited("late")
    assert done.exit_code == 1
    assert "late on plain.v2: 2 vectors audited, 1 differ" in done.output


@pytest.mark.parametrize(
    ("model", "said"), [("later", "nothing is called 'later'"), ("unread", "reads no group")]
)
def test_what_cannot_be_audited_is_named(client: Client, model: str, said: str) -> None:
    done = audited(model)
    assert done.exit_code == 2
    assert said in " ".join(done.output.replace("│", " ").split())
