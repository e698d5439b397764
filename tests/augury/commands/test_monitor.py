from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from augury.cli import app
from features.project import load_project
from tests.augury.served import crowned, passed, plan
from tests.features.logs import MINUTE, START
from tests.warehouse.answers import answer, publish
from warehouse.client import Client
from warehouse.outcomes import keep_holdout

pytestmark = pytest.mark.stack
PROJECT = """
from dataclasses import replace
from features import MonitoringPolicy
from tests.definitions import carrier, late as model, plain as only
late = replace(model, entities=[carrier], features=[only["count_1h"]], inputs={}, on_demand={})
quality = MonitoringPolicy(late, window="1d", min_units=50)
del model
"""
DAY = ("--at", "2013-01-02")


@pytest.fixture
def champion(served: Client, tmp_path: Path) -> Client:
    """A champion that ranked its holdout well."""
    (tmp_path / "monitored_project.py").write_text(PROJECT)
    scores = [n / 400 for n in range(400)]
    keep_holdout(served, "first", scores, [float(score > 0.5) for score in scores])
    crowned("first")
    passed(served, "2013-01-02")
    return served


def served_well(client: Client, right: bool) -> None:
    """Log 300 answers, whose labels come ten minutes later and are as predicted, or the opposite."""
    assert plan().label == "plain.v1"
    model = load_project("tried_project").model_plans["late"]
    answers, labels = [], []
    for n in range(300):
        given = answer(model, f"{right}-{n}", START + n * 1_000, {"carrier": "A"}, {}, {"plain": None})
        answers.append(given | {"prediction": n / 300})
        happened = datetime.fromtimestamp((START + n * 1_000 + 10 * MINUTE) / 1_000, UTC)
        labels.append([f"{right}-{n}", "late", float((n >= 150) == right), happened, happened])
    publish(client, answers)
    columns = ["request_id", "model_name", "label", "happened_at", "log_time"]
    client.insert("ground_truth", labels, column_names=columns)


def checked(*words: str) -> Result:
    return CliRunner().invoke(app, ["monitor", "monitored_project", *words])


def test_a_model_that_does_as_on_its_holdout_is_no_failure_and_one_that_errs_is(
    champion: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    served_well(champion, right=True)
    done = checked("late", *DAY)
    assert done.exit_code == 0, done.output
    assert "auc/late: 2013-01-01 00:00:00 UTC to 2013-01-02 00:00:00 UTC, version 1" in done.output
    assert "harm: none" in done.output
    served_well(champion, right=False)
    done = checked(*DAY)
    assert done.exit_code == 1
    assert "harm: " in done.output
    assert "harm: none" not in done.output
    kept = champion.query(
        "SELECT units, value, reference FROM model_performance_monitor FINAL "
        "WHERE basis = 'measured' AND segment_by = ''"
    ).result_rows
    assert kept == [(600, pytest.approx(0.5), 1.0)]


def test_what_cannot_be_checked_is_named(champion: Client) -> None:
    done = checked("gone")
    assert done.exit_code == 2
    assert "'gone' is not" in " ".join(done.output.replace("│", " ").split())
    champion.command("TRUNCATE TABLE holdout_predictions")
    done = checked(*DAY)
    assert done.exit_code == 0
    assert "train a new version" in " ".join(done.output.split())
