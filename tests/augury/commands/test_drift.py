from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from augury.cli import app
from features.project import load_project
from flows.reference import freeze
from tests.augury.served import answered, crowned, passed
from warehouse.client import Client

pytestmark = pytest.mark.stack
PROJECT = """
from dataclasses import replace
from features import DriftPolicy
from tests.definitions import carrier, late as model, plain as only
late = replace(model, entities=[carrier], features=[only["count_1h"]], inputs={}, on_demand={})
watched = DriftPolicy(only, late, min_rows=50)
outputs = DriftPolicy(None, late, min_rows=50)
del model
"""


@pytest.fixture
def champion(served: Client, tmp_path: Path) -> Client:
    """A champion whose training set held counts from 0 to 9, and 60 answers to vectors of such counts."""
    (tmp_path / "drifting_project.py").write_text(PROJECT)
    served.command(
        "CREATE TABLE a_training_set ENGINE MergeTree ORDER BY prediction_time AS SELECT "
        "toDateTime64('2012-12-01', 3, 'UTC') AS prediction_time, toFloat64(number % 2) AS label, "
        "CAST(number % 10, 'Nullable(Float64)') AS plain__count_1h FROM numbers(1000)"
    )
    scores = [0.25, 0.5, 0.75] * 40
    freeze(served, load_project("drifting_project"), "late", "first", "a_training_set", scores, scores)
    crowned("first")
    for i in range(60):
        answered(served, float(i % 10), f"{i}")
    return served


def checked(*words: str) -> Result:
    return CliRunner().invoke(app, ["drift", "drifting_project", *words])


def cells(done: Result, feature: str) -> list[str]:
    (line,) = (line for line in done.output.splitlines() if f"│ {feature}" in line)
    return [cell.strip() for cell in line.split("│")[1:-1]]


def test_a_table_tells_each_feature_and_the_status_whether_one_drifted(
    champion: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    passed(champion, "2013-01-02")
    day = ("--at", "2013-01-02")
    done = checked("plain", *day)
    assert done.exit_code == 0, done.output
    assert (
        "plain.v1/late: 2013-01-01 00:00:00 UTC to 2013-01-02 00:00:00 UTC, against version 1" in done.output
    )
    assert cells(done, "count_1h")[1:5] == ["psi", "60", "1,000", "0.0%"]
    assert "0 of 1 features drifted (q at most 0.0167)" in done.output

    for i in range(60, 120):
        answered(champion, 40.0, f"{i}")
    done = checked("plain.v1", *day)
    assert done.exit_code == 1
    assert cells(done, "count_1h")[2] == "120"
    assert cells(done, "count_1h")[-1] != ""
    assert "1 of 1 features drifted" in done.output
    kept = champion.query("SELECT count() FROM feature_drift_report FINAL WHERE drifted").result_rows
    assert kept[0][0] == 1


def test_without_a_group_all_policies_are_checked_over_their_newest_windows(champion: Client) -> None:
    done = checked()
    assert done.exit_code == 0, done.output
    for policy in ("plain.v1/late", "outputs/late"):  # the log's clock stands ten minutes into the year
        assert f"{policy}: 2012-12-31 00:00:00 UTC to 2013-01-01 00:00:00 UTC" in done.output


def test_what_cannot_be_checked_is_named(champion: Client) -> None:
    done = checked("gone")
    assert done.exit_code == 2
    assert "none is of 'gone'" in " ".join(done.output.replace("│", " ").split())
    champion.command("TRUNCATE TABLE drift_reference")
    done = checked("outputs")
    assert done.exit_code == 0
    assert "train a new version" in " ".join(done.output.split())


def test_a_window_that_is_not_over_is_refused_and_one_without_rows_is_not_judged(champion: Client) -> None:
    passed(champion, "2013-01-02")
    done = checked("plain", "--at", "2013-01-03")
    assert done.exit_code == 2
    assert "what one to 2013-01-03 00:00:00 UTC holds is not known yet" in " ".join(
        done.output.replace("│", " ").split()
    )
    assert champion.query("SELECT count() FROM feature_drift_report").result_rows == [(0,)]
    done = checked("plain", "--at", "2013-01-01")
    assert done.exit_code == 0
    assert "nothing was judged, for that takes 50 values" in done.output
