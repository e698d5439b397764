import json
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
from features.definitions import Freshness
from tests.definitions import lifetime, plain
from warehouse.client import migrate
from warehouse.contracts import record

PROJECT = """
from dataclasses import replace
from tests.definitions import late as model, plain
late = replace(model, features=[plain["count_1h"]], inputs={}, on_demand={})
del model
"""

pytestmark = pytest.mark.stack


@pytest.fixture
def applied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A warehouse in which `plain.v1`, `lifetime.v1` and, with a default, `filled.v1` were applied."""
    (tmp_path / "listed_project.py").write_text(PROJECT)
    monkeypatch.syspath_prepend(tmp_path)
    settings = Settings.with_free_ports(tmp_path / "home")
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    with Stack(settings, parts=("warehouse",)):
        client = warehouse(settings)
        migrate(client)
        filled = replace(
            lifetime, defaults={"seats_sum": 0}, freshness=Freshness("5m", on_stale="default"), name="filled"
        )
        record(client, [compile_group(group) for group in (plain, lifetime, filled)], 1_000)
        client.close()
        yield


def shown(*words: str) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, ["features", *words])


def test_the_catalogue(applied: None) -> None:
    listed = json.loads(shown("--json").output)
    assert [(e["group"], e["standing"], e["applied_at"]) for e in listed] == [
        ("filled", "applied", 1_000),
        ("lifetime", "applied", 1_000),
        ("plain", "applied", 1_000),
    ]
    assert {f["name"]: f["default"] for f in listed[0]["features"]} == {
        **dict.fromkeys(f.name for f in compile_group(lifetime).features),
        "seats_sum": 0,
    }
    listed = json.loads(shown("listed_project", "--json").output)
    assert [e["standing"] for e in listed] == ["absent", "absent", "applied"]
    assert [use["model"] for use in listed[2]["uses"]] == ["late"]

    lines = shown("--search", "mean delay").output.splitlines()
    assert [line.split("│")[1:4] for line in lines if "delay_mean" in line] == [
        [" plain.v1 ", " delay_mean_1h ", " double "]
    ]
    assert "lifetime" not in "".join(lines)

    full = shown("listed_project", "--group", "plain").output
    for text in (
        "applied since 1970-01-01 00:00:01 UTC",
        "1h, hop 1m",
        compile_group(plain).contract_hash,
        "late (defined): count_1h",
        "mean(delay) over 1h, hop 1m",
    ):
        assert text in full
    full = shown("--group", "filled").output
    assert "a lag up to 5m is fresh, beyond it: default" in full
    (line,) = (line for line in full.splitlines() if "seats_sum" in line)
    assert line.split("│")[-2].strip() == "0"

    unknown = shown("--group", "else")
    assert unknown.exit_code == 2
    assert "filled.v1, lifetime.v1, plain.v1" in " ".join(unknown.output.replace("│", " ").split())
