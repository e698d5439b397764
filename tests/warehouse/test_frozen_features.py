"""What the registry has frozen, as the warehouse knows it from the events that the log brought."""

import re
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest

from augury.settings import ROOT
from features.compile_model import compile_model
from inference.registry import Registry
from tests.definitions import late, plain
from tests.registered import register
from warehouse.client import Client
from warehouse.targets import RECORDS

FIRST = 1_700_000_000_000  # 2023-11-14 22:13:20 UTC
FILLED = replace(plain, defaults={"count_1h": 3, "delay_mean_1h": -0.5})
MODEL = compile_model(
    replace(late, name="late_arrival", features=[FILLED["count_1h"], FILLED["delay_mean_1h"]])
)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """A registry with a champion, whose clock goes on by a minute with each look."""
    minutes = count(FIRST, 60_000)
    registry = Registry(f"sqlite:///{tmp_path}/registry.db", lambda: next(minutes))
    registry.migrate()
    version = register(registry, MODEL.name, MODEL.to_dict())
    registry.promote(MODEL.name, version, by="ann", why="the first")
    yield registry
    registry.close()


def test_what_was_frozen_when_and_why_is_the_same_in_both(database: Client, registry: Registry) -> None:
    freezes = registry.freezes
    freezes.freeze(MODEL.name, "plain.count_1h", by="drift", why="it looks broken", alert_id="a1")
    freezes.freeze(MODEL.name, "plain.delay_mean_1h", by="ann", why="to be sure")
    freezes.thaw(MODEL.name, "plain.count_1h", by="bob", why="mended")
    freezes.freeze(MODEL.name, "plain.count_1h", by="drift", why="again", alert_id="a2")
    target = RECORDS["registry.events"]
    events = registry.history.events(MODEL.name)
    lines = [[*target.row(asdict(event)), event.at] for event in [*reversed(events), *events[:3]]]
    database.insert(target.table, lines, column_names=target.columns)

    found = database.query(
        "SELECT model_name, feature, value, toUnixTimestamp64Milli(since), toUnixTimestamp64Milli(until), "
        "by, why, alert_id, thawed_by, thawed_why FROM frozen_features ORDER BY position"
    ).result_rows
    known = freezes.history()
    assert len(known) == 3
    assert [tuple(row) for row in found] == [
        tuple(asdict(replace(period, value=str(period.value))).values()) for period in known
    ]
    (asking,) = re.findall(
        r"```sql\n(SELECT feature.*?)```", (ROOT / "docs" / "drift.md").read_text(), re.DOTALL
    )
    moment = f"{datetime.fromtimestamp(known[0].since / 1_000 + 30, UTC):%Y-%m-%d %H:%M:%S}"
    told = database.query(asking.replace("2013-06-01 12:00:00", moment)).result_rows
    assert told == [("plain.count_1h", "3", "drift", "it looks broken", "a1")]
