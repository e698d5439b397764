"""The statements of the dashboards, on the engine, over what a model's weeks leave behind."""

import json
import re
from typing import Any

import pytest
import yaml
from clickhouse_connect.driver.exceptions import DatabaseError

from augury.settings import ROOT
from tests.warehouse.reported import START, alerted, answering, drifting, watched
from warehouse.client import Client

pytestmark = pytest.mark.stack
BOARDS = (ROOT / "deploy" / "grafana" / "dashboards").glob("*.json")
PANELS: dict[str, dict[str, Any]] = {
    panel["title"]: target
    for board in sorted(BOARDS)
    for panel in json.loads(board.read_text())["panels"]
    for target in panel["targets"]
    if "rawSql" in target
}
SOURCE = yaml.safe_load((ROOT / "deploy/grafana/provisioning/datasources/clickhouse.yml").read_text())
(GIVEN,) = (source["jsonData"]["customSettings"] for source in SOURCE["datasources"])
SETTINGS = {each["setting"]: each["value"] for each in GIVEN}


def expanded(statement: str) -> str:
    """Put in Grafana's place what its macro stands for: all of January and February."""
    between = r"(\1 >= toDateTime('2013-01-01') AND \1 <= toDateTime('2013-03-01'))"
    text = re.sub(r"\$__timeFilter\((\w+(?:\.\w+)?)\)", between, statement)
    assert "$" not in text
    return text


@pytest.fixture
def lived(database: Client) -> Client:
    drifting(database)
    watched(database)
    answering(database)
    alerted(database)
    line = ["landed", 0, START, 1]
    database.insert("log_clock", [line], column_names=["topic", "partition", "log_time", "offset"])
    return database


def test_every_panel_of_the_warehouse_finds_what_is_there(lived: Client) -> None:
    assert PANELS
    for title, target in PANELS.items():
        found = lived.query(expanded(target["rawSql"]), settings=SETTINGS)
        assert found.result_rows, title
        kinds = dict(zip(found.column_names, (kind.name for kind in found.column_types), strict=True))
        if target["queryType"] == "timeseries":
            assert kinds.pop("time").startswith("DateTime"), title
            assert any(re.search("Int|Float", kind) for kind in kinds.values()), title
            times = [row[0] for row in found.result_rows]
            assert times == sorted(times), title


def test_a_panel_cannot_change_anything(database: Client) -> None:
    with pytest.raises(DatabaseError, match="READONLY"):
        database.command("TRUNCATE TABLE alerts", settings=SETTINGS)
