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
from features.project import Project, load_project
from tests.features.logs import MINUTE, Step, log
from tests.warehouse.history import create, write_log
from warehouse.client import migrate
from warehouse.contracts import record

PROJECT = """
from dataclasses import replace
from tests.definitions import late as model, lifetime as counted, plain as first
plain = replace(first, {change})
features = [plain[a.name] for a in plain.aggregates]
late = replace(model, features=features, inputs={{}}, on_demand={{}})
lifetime = replace(counted, source=plain.source)
del first, model, counted{rest}
"""

pytestmark = pytest.mark.stack


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A warehouse where `plain.v1` and `lifetime.v1` were applied and ten events are held."""
    monkeypatch.syspath_prepend(tmp_path)
    settings = Settings.with_free_ports(tmp_path / "home")
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    with Stack(settings, parts=("warehouse",)):
        client = warehouse(settings)
        migrate(client)
        project = write(tmp_path, "applied_project")
        plans = list(project.group_plans.values())
        record(client, plans, 1_000)
        create(client, *plans)
        write_log(client, plans[0].source, log([Step(gap=MINUTE)] * 10))
        client.close()
        held = registry(settings)
        experiment = held.experiments.record(
            model_type="logistic",
            hyperparameters={},
            training_dataset_version="1",
            feature_group_versions={"plain": 1},
            evaluation_metrics={},
            artifact_path="",
            code_version="",
            environment={},
            seed=1,
        )
        held.register(
            "late",
            artifact_uri="",
            sha256="",
            framework="sklearn",
            serving_flavour="onnx",
            signature=project.model_plans["late"].to_dict(),
            experiment_id=experiment,
            by="a test",
            why="a test",
        )
        held.close()
        yield tmp_path


def write(folder: Path, name: str, change: str = "", rest: str = "") -> Project:
    (folder / f"{name}.py").write_text(PROJECT.format(change=change, rest=rest))
    return load_project(name)


def planned(name: str) -> Result:
    return CliRunner().invoke(app, ["plan", name])


def test_a_plan_says_what_changes_what_it_costs_and_who_is_touched(folder: Path) -> None:
    assert planned("applied_project").exit_code == 0

    write(folder, "changed_project", "version=2, aggregates=first.aggregates[:1], owner='ops'", ", lifetime")
    done = planned("changed_project")
    assert done.exit_code == 0
    assert [line.rstrip() for line in done.output.splitlines()] == [
        "+ create    plain.v2: removal, against plain.v1",
        "    description owner: none -> ops",
        "    removal     delay_mean_1h: was mean(delay) over 1h, hop 1m",
        "    costs       10 events to backfill, and state built anew from the whole log",
        "    used by     late 1 (staging): reads delay_mean_1h",
        "    meanwhile   it is built beside plain.v1, which goes on",
        "- absent    lifetime.v1: removal, against lifetime.v1",
        "    removal     lifetime: no version of the group is in the project",
        "    meanwhile   its job and its rows go on until the job is cancelled",
        "- absent    plain.v1",
    ]


def test_other_defaults_cost_a_version_with_the_same_rows_and_touch_who_reads_them(folder: Path) -> None:
    write(folder, "filled_project", "version=2, defaults={'delay_mean_1h': 0}")
    done = planned("filled_project")
    assert done.exit_code == 0
    assert [line.rstrip() for line in done.output.splitlines()][:5] == [
        "+ create    plain.v2: defaults, against plain.v1",
        "    defaults    delay_mean_1h: default none -> 0.0",
        "    costs       10 events to backfill, and state built anew from the whole log; its rows are those "
        "of plain.v1",
        "    used by     late 1 (staging): reads delay_mean_1h",
        "    meanwhile   it is built beside plain.v1, which goes on",
    ]


@pytest.mark.parametrize(
    ("change", "said", "unsaid"),
    [
        ("defaults={'count_1h': 0}", "! refused   plain.v1: defaults, against plain.v1", "description alone"),
        ("where='seats > 2'", "raise the version of the refused groups", "description alone"),
        ("meaning='More'", "no value does: take it back, or raise the version", "of the refused groups"),
    ],
)
def test_a_refusal_says_what_to_do(folder: Path, change: str, said: str, unsaid: str) -> None:
    name = f"refused_{len(said)}"
    write(folder, name, change)
    done = planned(name)
    assert done.exit_code == 1
    assert said in done.output
    assert unsaid not in done.output
    assert "--- applied" in done.output
