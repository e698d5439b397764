import json
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
from features.compile_model import compile_model
from features.definitions import Freshness
from inference.registry import Registry
from tests.augury.served import crowned
from tests.definitions import late, lifetime, plain
from warehouse.client import migrate
from warehouse.contracts import record

PROJECT = """
from dataclasses import replace
from tests.definitions import late as model, plain
late = replace(model, features=[plain["count_1h"]], inputs={}, on_demand={})
del model
"""


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


@pytest.mark.stack
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
    assert line.split("│")[-3].strip() == "0"

    unknown = shown("--group", "else")
    assert unknown.exit_code == 2
    assert "filled.v1, lifetime.v1, plain.v1" in " ".join(unknown.output.replace("│", " ").split())


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """A registry with a champion, on a machine where no log answers."""
    for name, value in Settings.with_free_ports(tmp_path).environment().items():
        monkeypatch.setenv(name, value)
    filled = replace(plain, defaults={"count_1h": 3})
    features = [filled["count_1h"], filled["delay_mean_1h"]]
    crowned("late-1", compile_model(replace(late, features=features, on_demand={})).to_dict())
    held = registry(Settings())
    yield held
    held.close()


def change(*words: str, answer: str = "y\n") -> Result:
    return CliRunner().invoke(app, ["features", *words, "--why", "a test", "--by", "ann"], input=answer)


def test_a_feature_is_frozen_listed_and_thawed(held: Registry) -> None:
    feature = ("late", "plain.count_1h")
    assert change("freeze", *feature, answer="n\n").exit_code == 1
    assert json.loads(shown("frozen", "--json").output) == []
    done = change("freeze", *feature)
    assert done.exit_code == 0, done.output
    assert "late has plain.count_1h at its default, whatever its rows hold. Go on?" in done.output
    assert "plain.count_1h of late is frozen\n" in done.output
    assert "its events wait in the outbox" in done.output
    assert "plain.count_1h of late is frozen already" in change("freeze", *feature, "--yes").output
    (period,) = json.loads(shown("frozen", "--json").output)
    told = {"model_name": "late", "feature": "plain.count_1h", "value": 3, "by": "ann", "why": "a test"}
    assert told.items() <= period.items()
    assert (period["until"], period["alert_id"]) == (None, None)
    assert "plain.count_1h" in shown("frozen").output

    assert "plain.count_1h of late is thawed" in change("thaw", *feature).output
    assert "plain.count_1h of late is not frozen" in change("thaw", *feature).output
    assert "plain.count_1h" not in shown("frozen").output
    assert "by ann: a test" in shown("frozen", "--all").output
    assert [e.kind for e in held.unpublished_events()][-2:] == ["feature_frozen", "feature_thawed"]


def test_what_cannot_be_frozen_is_said(held: Registry) -> None:
    done = change("freeze", "late", "plain.delay_mean_1h")
    assert done.exit_code == 1
    assert "plain.v1 states none for 'delay_mean_1h'; nothing was changed" in done.output
    assert "Go on?" not in done.output
    assert CliRunner().invoke(app, ["features", "freeze", "late", "plain.count_1h"]).exit_code == 2
