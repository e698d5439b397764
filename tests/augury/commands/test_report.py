import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from augury.cli import app
from augury.clients import warehouse
from augury.models import registry
from augury.settings import Settings
from augury.stack import Stack
from tests.augury.reports.told import Parsed, checked
from tests.warehouse.reported import DAY, MODEL, START, drifting
from warehouse.client import Client, migrate

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A warehouse of its own, without a row, and a registry without a model."""
    settings = Settings.with_free_ports(tmp_path_factory.mktemp("home"))
    with Stack(settings, parts=("warehouse",)):
        yield settings


@pytest.fixture
def client(empty: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Client]:
    for name, value in empty.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AUGURY_WAREHOUSE_DATABASE", f"db_{tmp_path.name}")
    monkeypatch.setenv("AUGURY_REGISTRY_DATABASE_URL", f"sqlite:///{tmp_path}/registry.sqlite")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    client = warehouse(Settings())
    migrate(client)
    yield client
    client.close()


def report(*words: str) -> Result:
    return CliRunner().invoke(app, ["report", *words])


def written(*words: str) -> Parsed:
    """Write a report, and give its page."""
    done = report(*words)
    assert done.exit_code == 0, done.output
    path = Path(words[words.index("--out") + 1] if "--out" in words else f"{words[0]}.html")
    text = path.read_text()
    assert f"written to {path}, {len(text.encode()):,} bytes" in done.output
    return checked(text)


def test_a_report_of_drift(client: Client) -> None:
    drifting(client, days=5, features=4)
    drifting(client, days=5, features=1, policy=f"outputs/{MODEL}")
    row = {"policy": "drift_policy", "group_name": "plain", "group_version": 1, "model_name": MODEL}
    row |= {"method": "psi", "categorical": [], "bins": None, "values": "served", "window": "1d"}
    row |= {"every": "1d", "false_alarms_per_month": 0.5, "threshold": None, "min_rows": 50}
    held = registry(Settings())
    held.save_policies([row | {"retrain": False, "debounce": "1d"}])
    held.close()

    page = written("drift", "--out", "page.html")
    assert page.row(f"plain.v1/{MODEL}")[1:] == ["4", "100", "110", "1", "f0"]
    assert page.row(f"outputs/{MODEL}")[4:] == ["1", "f0"]
    said = " ".join(page.texts)
    assert "is at most 0.02. That allows 0.5 alerts in 30 days without drift" in said
    assert "The policy is not stated any more. Its limit was 0.02." in said

    (one,) = json.loads(report("drift", "--group", "plain", "--days", "2", "--json").output)
    assert [f["name"] for f in one["features"]] == ["f0", "f3", "f2", "f1"]
    first = one["features"][0]
    assert [w["window_end"] for w in first["windows"]] == [START + 4 * DAY, START + 5 * DAY]
    assert [w["drifted"] for w in first["windows"]] == [False, True]
    assert first["distribution"]["shares"] == [0.05, 0.05, 0.1, 0.6, 0.2]
    assert one["features"][3]["distribution"] is None
    assert not Path("drift.html").exists()


def test_where_there_is_nothing_to_show_it_is_said(client: Client) -> None:
    done = report("drift", "--model", "gone")
    assert done.exit_code == 1
    assert "there are no drift checks of model 'gone': nothing was written" in done.output
    assert "`augury drift MODULE`" in done.output
    assert not Path("drift.html").exists()
