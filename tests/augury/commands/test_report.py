import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import Result
from typer.testing import CliRunner

from augury.cli import app
from augury.clients import online_store, warehouse
from augury.clock import wall_ms
from augury.models import registry
from augury.reports.pictures import Pictures
from augury.settings import Settings
from augury.stack import Stack
from features import Integer
from features.layout import clock_key, pack_clock
from flows.recipe import Recipe
from flows.study import Study
from inference.registry import ExperimentKind, GateResult, Registry, ServingConfig, Trial, TrialState
from tests.augury.reports.told import Parsed, checked
from tests.flows.searching import begin, study
from tests.warehouse.reported import DAY, HOUR, MODEL, START, alerted, answering, drifting, watched
from warehouse.client import Client, migrate

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A warehouse of its own, without a row, and a registry without a model."""
    settings = Settings.with_free_ports(tmp_path_factory.mktemp("home"))
    with Stack(settings, parts=("warehouse", "redis")):
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


@pytest.fixture
def held(client: Client) -> Iterator[Registry]:
    """A registry of two versions, the second of which took over from the first and has a challenger."""
    held = registry(Settings())
    gates = [
        GateResult("rows", True, "500 rows", "900", ""),
        GateResult("size", False, "1 MB", "2 MB", "slow"),
    ]
    for place in range(1, 4):
        experiment = held.experiments.record(
            model_type="lightgbm",
            hyperparameters={"num_leaves": 15, "learning_rate": 0.05},
            training_dataset_version="late@1",
            feature_group_versions={"plain": 1},
            evaluation_metrics={
                "holdout_auc": 0.7 + place / 100,
                "holdout_rows": 1_000,
                "holdout_start": START * 1.0,
            },
            artifact_path="file:///model",
            code_version="c0ffee",
            environment={"python": "3.11"},
            seed=7,
            experiment_id=f"late-{place}",
            model_name=MODEL,
            recipe={"trainer": "lightgbm", "threads": 2},
            training_dataset_hash="abc",
        )
        stored = {"artifact_uri": "file:///model", "sha256": "ab" * 32, "framework": "lightgbm"}
        stored |= {"serving_flavour": "onnx"}
        who = {"by": "retraining", "why": "drift"}
        held.register(MODEL, **stored, signature={}, experiment_id=experiment, **who)
        held.gates.record(MODEL, experiment, gates)
    held.promote(MODEL, 1, by="ann", why="the first")
    held.start_trial(MODEL, 2, by="evaluation", why="registered")
    held.promote(MODEL, 2, by="evaluation", why="it <won>", evidence={"e_value": 41.5})
    held.set_serving_config(ServingConfig(MODEL, 3, 0.25, None), by="ann", why="by hand")
    yield held
    held.close()


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
    held.policies.save(
        [row | {"retrain": False, "on_broken": "tell", "debounce": "1d", "actions_per_day": 1}]
    )
    held.close()

    page = written("drift", "--out", "page.html")
    assert page.row(f"plain.v1/{MODEL}")[1:] == ["4", "100", "110", "1", "f0"]
    assert page.row(f"outputs/{MODEL}")[4:] == ["1", "f0"]
    said = " ".join(page.texts)
    assert "is at most 0.02. That allows 0.5 alerts in 30 days without drift" in said
    assert "The registry has no such policy: it is gone, or nobody stated it" in said

    (one,) = json.loads(report("drift", "--group", "plain", "--days", "2", "--json").output)
    assert [f["name"] for f in one["features"]] == ["f0", "f3", "f2", "f1"]
    first = one["features"][0]
    assert [w["window_end"] for w in first["windows"]] == [START + 4 * DAY, START + 5 * DAY]
    assert [w["drifted"] for w in first["windows"]] == [False, True]
    assert first["distribution"]["shares"] == [0.05, 0.05, 0.1, 0.6, 0.2]
    assert one["features"][3]["distribution"] is None
    assert not Path("drift.html").exists()


def test_a_report_of_a_model(client: Client, held: Registry) -> None:
    watched(client, weeks=12)
    answering(client)
    alerted(client)
    page = written("model", MODEL, "--out", "model.html")
    said = " ".join(page.texts)
    assert "Version 2 is champion since" in said
    assert "by evaluation: it <won>." in said
    assert "Version 3 is its challenger, with 25% of the entities." in said
    champions, versions, windows, segments, alerts, answers, decisions, costs = page.tables
    assert [row[0] for row in champions[1:]] == ["1", "2"]
    assert champions[1][4:6] == ["ann", "the first"]
    assert '"e_value": 41.5' in champions[2][6]
    assert versions[1][3:8] == ["0.73", "1,000", "2013-01-02 00:00:00 UTC", "1 of 2", "late@1"]
    estimated = ["estimated", "1", "900", "0.61", "0.58", "0.62", "0.71", "", "", "", "", ""]
    assert windows[1][1:] == estimated
    assert [row[-1] for row in windows[1:5]] == ["", "yes", "", ""]
    assert [row[2] for row in segments[1:]] == ["UA", "<AA>"]
    assert segments[1][4:] == ["0.55", "0.08", "0.04", "0.12", "", "yes"]
    assert [row[4] for row in alerts[1:]] == ["resolved", "acknowledged", "open"]
    assert answers[1][:9] == ["2013-01-02", "1", "champion", "http", "12", "1", "1", "1", "2"]
    happened = [["3", "routed"], ["2", "promoted"], ["1", "retired"], ["2", "trial_started"]]
    assert [row[1:3] for row in decisions[1:5]] == happened
    tables = ("ground_truth", "model_prediction_log", "shadow_predictions")
    assert [row[0] for row in costs[1:]] == [f"storage: {table}" for table in tables]

    told = json.loads(report("model", MODEL, "--json").output)
    assert [v["version"]["status"] for v in told["versions"]] == ["retired", "champion", "staging"]
    assert told["serving"]["challenger_share"] == 0.25
    assert told["processor"] == {}
    assert len(told["performance"]) == 48


def test_a_model_that_has_done_nothing_yet_is_a_page_too(client: Client, held: Registry) -> None:
    said = " ".join(written("model", MODEL, "--out", "model.html").texts)
    assert said.count("There is none.") == 4


def test_a_report_of_an_experiment(client: Client, held: Registry) -> None:
    columns = ["name", "version", "table_name", "model_name", "group_versions", "sql", "rows", "content_hash"]
    client.insert("datasets", [["late", 1, "t", MODEL, "{}", "", 7_000, "abc"]], column_names=columns)
    lines = [["late-2", n, n / 100, float(n >= 50)] for n in range(100)]
    client.insert("holdout_predictions", lines, ["experiment_id", "position", "prediction", "label"])
    page = written("experiment", "late-2", "--out", "experiment.html")
    assert "It made version 2, which is champion." in " ".join(page.texts)
    metrics, tenths, gates, parameters, training, repeated = page.tables
    assert metrics[1:3] == [["holdout_auc", "0.72"], ["holdout_rows", "1,000"]]
    assert metrics[3] == ["holdout_start", "2013-01-02 00:00:00 UTC"]
    assert tenths[1] == ["1", "10", "0.045", "0"]
    assert len(tenths) == 11
    assert gates[1:] == [["rows", "yes", "500 rows", "900", ""], ["size", "no", "1 MB", "2 MB", "slow"]]
    assert ["num_leaves", "15"] in parameters
    assert ["rows", "7,000"] in training
    assert repeated[1:] == [["code", "c0ffee"], ["seed", "7"], ["python", "3.11"]]
    assert {"plain.v1", "late@1", "late-2", "version 2"} <= set(page.texts)

    told = json.loads(report("experiment", "late-2", "--json").output)
    assert told["experiment"]["recipe"] == {"trainer": "lightgbm", "threads": 2}
    assert [t["tenth"] for t in told["holdout"]] == list(range(10))
    assert "signature" not in told["version"]


def test_a_report_of_an_experiment_has_the_search_that_chose_its_hyperparameters(
    client: Client, held: Registry
) -> None:
    searched = Study(Recipe(["f"]), {"num_leaves": Integer(2, 31)}, 2, until=1, present={})
    known = asdict(held.experiments.get("late-1"))
    del known["trained_at"]
    held.experiments.record(
        **{**known, "experiment_id": "study", "kind": ExperimentKind.TUNING, "recipe": searched.to_dict()}
    )
    for trial in (
        Trial({"num_leaves": 9}, TrialState.COMPLETE, (0.5, 0.7), 0.6, seconds=2.5),
        Trial({"num_leaves": 3}, TrialState.PRUNED, (0.9,), seconds=1.25),
        Trial({"num_leaves": 21}, TrialState.COMPLETE, (0.4, 0.6), 0.5, seconds=3.75),
        Trial({"num_leaves": 2}, TrialState.FAILED, reason="ValueError: none"),
    ):
        held.experiments.record_trial("study", trial, 9)
    for name, leaves in (("chosen", 21), ("not-chosen", 9)):
        held.experiments.record(**{**known, "experiment_id": name, "hyperparameters": {"num_leaves": leaves}})

    page = written("experiment", "chosen", "--out", "chosen.html")
    trials = next(table for table in page.tables if table[0][0] == "trial")
    assert trials == [
        ["trial", "state", "log_loss", "num_leaves", "seconds", "why"],
        ["0", "complete", "0.6", "9", "2.5", ""],
        ["1", "pruned", "", "3", "1.25", ""],
        ["2", "complete", "0.5", "21", "3.75", ""],
        ["3", "failed", "", "2", "", "ValueError: none"],
    ]
    assert "Trial 2 of 4 of study has the smallest log_loss." in page.texts
    told = json.loads(report("experiment", "chosen", "--json").output)["search"]
    assert (told["study"], told["chosen"], len(told["trials"])) == ("study", 2, 4)
    assert json.loads(report("experiment", "study", "--json").output)["search"]["chosen"] == 2
    assert any(
        "This is a search: trials of" in text
        for text in written("experiment", "study", "--out", "study.html").texts
    )
    assert json.loads(report("experiment", "not-chosen", "--json").output)["search"] is None


def test_an_experiment_that_made_no_version_says_why(client: Client, held: Registry) -> None:
    known = {**asdict(held.experiments.get("late-1")), "experiment_id": "late-drift/late/5"}
    del known["trained_at"]
    stopped = held.experiments.record(**known)
    held.gates.record(MODEL, stopped, [GateResult("size", False, "1 MB", "2 MB", "slow")])
    done = report("experiment", stopped)
    assert done.exit_code == 0, done.output
    said = " ".join(checked(Path("experiment-late-drift-late-5.html").read_text()).texts)
    assert "It made no version, for it failed: size." in said
    assert "The warehouse does not hold it." in said
    assert "Its predictions of the holdout are not kept." in said


def test_a_report_of_freshness(client: Client) -> None:
    answering(client)
    columns = ["topic", "partition", "log_time", "offset"]
    client.insert("log_clock", [["landed", 0, START + 2 * HOUR, 1]], column_names=columns)
    told_at = wall_ms()
    columns = ["group", "version", "at", "clock", "newest", "log_time"]
    client.insert("group_freshness", [["plain", 1, told_at, START, START, told_at]], column_names=columns)
    with online_store(Settings()) as store:
        store.set(clock_key("plain", 1), pack_clock(START + HOUR))
    page = written("freshness")
    (summary, hours) = page.tables
    counts = ["13", "11", "1", "1", "2"]
    limits = ["10,800 s", "600 s", "1,800 s", "serve"]
    clocks = ["2013-01-02 01:00", "2013-01-02 02:00", "3,600 s"]
    assert summary[1] == ["plain.v1", *counts, *limits, *clocks, ""]
    assert [row[:5] for row in hours[1:]] == [["2013-01-02 01:00", "3", "1", "1", "2"]]
    (told,) = json.loads(report("freshness", "--group", "plain.v1", "--json").output)
    assert (told["online"], told["clock"]["log_time"]) == (START + HOUR, START + 2 * HOUR)
    assert (told["clock"]["online_clock"], told["clock"]["reported_at"]) == (START, told_at)
    assert [h["reads"] for h in told["hours"]] == [10, 3]


def test_where_there_is_nothing_to_show_it_is_said(client: Client) -> None:
    done = report("drift", "--model", "gone")
    assert done.exit_code == 1
    assert "there are no drift checks of model 'gone': nothing was written" in done.output
    assert "`augury drift MODULE`" in done.output
    assert not Path("drift.html").exists()
    done = report("model", "gone")
    assert done.exit_code == 1
    assert "no version is registered of a model 'gone', so nothing was done" in done.output
    done = report("freshness", "--group", "gone")
    assert done.exit_code == 1
    assert "there are no feature groups of group 'gone'" in done.output
    done = report("experiment", "gone")
    assert done.exit_code == 1
    assert "there are no experiments of the id 'gone'" in done.output


def test_what_was_found_lately_is_drawn_for_the_pages_of_runs(client: Client) -> None:
    held = registry(Settings())
    pictures = Pictures(client, held)
    assert pictures.drift("plain.v1/late", "late") is pictures.performance("auc/late", "late") is None
    drifting(client)
    watched(client)
    begin(held, "study", study())
    assert pictures.search("study") is None  # there is no trial yet
    for leaves, loss in ((7, 0.6), (9, 0.5)):
        held.experiments.record_trial(
            "study", Trial({"num_leaves": leaves}, TrialState.COMPLETE, (loss, loss), loss), 9
        )
    for drawn, told in (
        (pictures.drift("plain.v1/late", "late"), "PSI of 2 features of plain.v1/late in 3 windows"),
        (pictures.performance("auc/late", "late"), "auc/late by window"),
        (pictures.search("study"), "best log_loss over the trials"),
    ):
        assert drawn is not None
        root = ElementTree.fromstring(drawn)
        assert (root.tag, root.get("aria-label")) == ("{http://www.w3.org/2000/svg}svg", told)
    assert pictures.drift("other.v1/late", "late") is None
    held.close()
