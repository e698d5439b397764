from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from augury.cli import app
from augury.clients import warehouse
from augury.settings import Settings
from augury.stack import Stack
from features.compile import compile_group
from features.reference import rows
from tests.definitions import plain
from tests.features.logs import HOUR, MINUTE, START, Step, log
from tests.warehouse.history import create, write_rows
from warehouse.client import migrate
from warehouse.contracts import record

LOG = log([Step(gap=MINUTE, delay=float(i), seats=i) for i in range(20)])
PLANS = [compile_group(plain), compile_group(replace(plain, version=2, where="seats >= 5"))]

pytestmark = pytest.mark.stack


@pytest.fixture
def applied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A warehouse with the rows of two versions of a group."""
    settings = Settings.with_free_ports(tmp_path / "home")
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    with Stack(settings, parts=("warehouse",)):
        client = warehouse(settings)
        migrate(client)
        record(client, PLANS, 1_000)
        create(client, *PLANS)
        for plan in PLANS:
            write_rows(client, plan.table, rows(plan, LOG, START + HOUR))
        client.close()
        yield


def compared(*words: str) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, ["compare", "plain", *words])


def test_two_versions_beside_each_other(applied: None, tmp_path: Path) -> None:
    page = tmp_path / "compared.html"
    done = compared("--from", "1", "--to", "2", "--report", str(page))
    assert done.exit_code == 0
    assert (
        "14 events joined, 0 with all shared features equal, 5 in plain.v1 only, 0 in plain.v2 only"
        in done.output
    )
    (mean,) = [line for line in done.output.splitlines() if "delay_mean_1h" in line and "0 of 14" in line]
    # of the first 19 delays, and of those from the sixth on: 6 minutes are 2.5 delays
    assert [cell.strip() for cell in mean.split("│")[4:6]] == ["2.5", "2.5"]
    drawn = page.read_text()
    assert drawn.count("<svg") == 2
    assert "plain.v1 and plain.v2" in drawn

    none = compared("--from", "1", "--to", "2", "--until", "2000-01-01")
    assert none.exit_code == 1
    assert "nothing was compared" in none.output
    unknown = compared("--from", "1", "--to", "3")
    assert unknown.exit_code == 2
    assert "plain.v1, plain.v2" in " ".join(unknown.output.replace("│", " ").split())
