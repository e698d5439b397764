import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from augury.cli import app
from augury.models import registry
from augury.settings import Settings
from inference.registry import ExperimentKind, GateResult, Registry, Trial, TrialState
from tests.flows.searching import begin, study


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """A registry with a training of `late`, its rerun, one of `early`, and a study."""
    monkeypatch.setenv("COLUMNS", "250")
    for name, value in Settings.with_free_ports(tmp_path).environment().items():
        monkeypatch.setenv(name, value)
    held = registry(Settings())
    for name, model, auc, parent in (
        ("first", "late", 0.7123, None),
        ("again", "late", 0.7124, "first"),
        ("other", "early", None, None),
    ):
        held.experiments.record(
            experiment_id=name,
            parent_experiment_id=parent,
            kind=ExperimentKind.TRAINING if parent is None else ExperimentKind.RERUN,
            model_name=model,
            model_type="lightgbm",
            hyperparameters={"num_leaves": 31},
            training_dataset_version=f"{name}@1",
            feature_group_versions={"carrier_landings": 2},
            evaluation_metrics={"holdout_auc": auc},
            artifact_path="file:///model",
            code_version="c0ffee",
            environment={"python": "3.11"},
            seed=7,
        )
    begin(held, "study", study())
    held.experiments.record_trial("study", Trial({"num_leaves": 9}, TrialState.COMPLETE, (0.5, 0.7), 0.6), 9)
    held.experiments.record_trial("study", Trial({}, TrialState.FAILED, reason="ValueError: [none]"), 9)
    held.gates.record("late", "first", [GateResult("rows", False, "at least 9 rows", "8", "nothing")])
    yield held
    held.close()


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["experiment", *words])


def test_experiments_are_listed_with_their_results(held: Registry) -> None:
    lines = {line.split()[1]: line for line in run("list").output.splitlines() if line.startswith("│")}
    assert list(lines) == ["first", "again", "other", "study"]
    assert "holdout_auc 0.7123" in lines["first"]
    assert lines["again"].split()[3] == "rerun"
    assert lines["again"].split()[-2] == "first"
    assert "2 trials, log_loss 0.6000" in lines["study"]
    found = json.loads(run("list", "--model", "late", "--json").output)
    assert [(e["experiment_id"], e["parent_experiment_id"]) for e in found] == [
        ("first", None),
        ("again", "first"),
    ]


def test_an_experiment_is_shown_with_its_lineage_gates_and_trials(held: Registry) -> None:
    shown = run("show", "first").output
    for text in ("first (training)", '{"num_leaves": 31}', "again (rerun)", "at least 9 rows", "c0ffee"):
        assert text in shown
    trials = run("show", "study").output
    for text in ("study (tuning)", "0.600000", "0.5000, 0.7000", "ValueError: [none]"):
        assert text in trials


def test_an_experiment_that_a_gate_stopped_is_shown_by_its_gates(held: Registry) -> None:
    held.gates.record("late", "stopped", [GateResult("rows", False, "at least [9] rows", "8", "nothing")])
    shown = run("show", "stopped")
    assert shown.exit_code == 0
    assert "stopped before its training" in shown.output
    assert "at least [9] rows" in shown.output


def test_where_there_is_no_experiment_it_is_said(held: Registry) -> None:
    assert run("list", "--model", "none").output == "no experiment is recorded of a model 'none'\n"


def test_what_is_not_an_experiment_or_has_no_recipe_is_refused(held: Registry) -> None:
    unknown = run("show", "none")
    assert unknown.exit_code == 2
    assert "not 'none'" in unknown.output
    refused = run("rerun", "first")
    assert refused.exit_code == 1
    assert "before recipes were kept" in refused.output
