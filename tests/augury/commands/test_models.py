import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from augury.cli import app
from augury.models import registry
from augury.settings import Settings
from inference.registry import ModelStatus, Registry, ServingConfig


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """A registry with three versions of a model, on a machine where no log answers."""
    monkeypatch.setenv("COLUMNS", "200")
    for name, value in Settings.with_free_ports(tmp_path).environment().items():
        monkeypatch.setenv(name, value)
    held = registry(Settings())
    for place in range(1, 4):
        experiment = held.experiments.record(
            model_type="lightgbm",
            hyperparameters={},
            training_dataset_version=f"late-{place}@1",
            feature_group_versions={"carrier_landings": 2},
            evaluation_metrics={
                "holdout_auc": 0.7 + place / 100,
                "holdout_rows": 1_000.0,
                "holdout_start": 1_358_208_000_000.0,
            },
            artifact_path="file:///model",
            code_version="c0ffee",
            environment={"python": "3.11"},
            seed=7,
            experiment_id=f"late-{place}",
        )
        held.register(
            "late",
            artifact_uri="file:///model",
            sha256="ab" * 32,
            framework="lightgbm",
            serving_flavour="onnx",
            signature={},
            experiment_id=experiment,
            by="retraining",
            why="drift",
        )
    yield held
    held.close()


def run(*words: str, answer: str = "") -> Result:
    return CliRunner().invoke(app, ["models", *words], input=answer)


def change(*words: str, answer: str = "y\n") -> Result:
    return run(*words, "--why", "a test", "--by", "ann", answer=answer)


def statuses(held: Registry) -> list[str]:
    return [version.status.value for version in held.versions("late")]


def test_a_life_from_staging_to_retirement(held: Registry) -> None:
    done = change("promote", "late", "1")
    assert done.exit_code == 0, done.output
    assert "version 1 (staging, of " in done.output
    assert "becomes the champion of late, which has none. Go on?" in done.output
    assert "late version 1 is champion" in done.output
    held.start_trial("late", 2, by="ann", why="a test")
    assert "in place of version 1. Go on?" in change("promote", "late", "2").output
    assert statuses(held) == ["retired", "champion", "staging"]
    done = change("rollback", "late")
    assert "in place of version 2. Go on?" in done.output
    assert "late version 1 is champion again" in done.output
    assert change("reject", "late", "3").exit_code == 0
    assert statuses(held) == ["champion", "retired", "rejected"]
    assert "late answers nothing until a version is promoted. Go on?" in change("retire", "late", "1").output
    assert held.champion("late") is None
    kept = [(e.kind, e.version, e.by, e.why) for e in held.history.events("late")[-2:]]
    assert kept == [("rejected", 3, "ann", "a test"), ("retired", 1, "ann", "a test")]


def test_nothing_is_changed_unless_it_is_confirmed(held: Registry) -> None:
    for words in (("promote", "late", "1"), ("reject", "late", "1"), ("retire", "late", "1")):
        for answer in ("n\n", ""):
            assert change(*words, answer=answer).exit_code == 1
    assert statuses(held) == ["staging"] * 3
    assert change("promote", "late", "1", "--yes", answer="").exit_code == 0
    assert held.get("late", 1).status is ModelStatus.CHAMPION


def test_what_cannot_be_done_is_said(held: Registry) -> None:
    for words, said in (
        (("promote", "late", "9"), "late: there is no version 9; it has 1 to 3, so nothing was done"),
        (("rollback", "late"), "the model has no champion, so nothing was changed"),
        (("rollback", "gone"), "no version is registered of a model 'gone'"),
        (
            ("show", "gone"),
            "no version is registered of a model 'gone' (there are late), so nothing was done",
        ),
    ):
        done = run(*words) if words[0] == "show" else change(*words)
        assert done.exit_code == 1
        assert said in done.output
        assert "Go on?" not in done.output
    change("promote", "late", "1")
    done = change("promote", "late", "2")
    assert done.exit_code == 1
    assert "Go on?" not in done.output
    assert "late: a rollback needs a champion that replaced another; version 1 is champion" in (
        change("rollback", "late").output
    )
    assert "judged against no champion, but the champion is 1, so it needs a (new) trial" in done.output
    assert "only a staging or challenger version is rejected" in change("reject", "late", "1").output
    assert run("promote", "late", "2").exit_code == 2  # a reason is not optional


def test_events_wait_in_the_outbox_where_no_log_answers(held: Registry) -> None:
    done = change("promote", "late", "1")
    assert done.exit_code == 0
    assert "its events wait in the outbox" in done.output
    assert [e.kind for e in held.unpublished_events()] == ["registered"] * 3 + ["promoted"]


def test_list_and_show(held: Registry) -> None:
    listed = run("list").output
    assert [line.split("│")[2].strip() for line in listed.splitlines() if "staging" in line] == [
        "1",
        "2",
        "3",
    ]
    assert "0.7300" in listed
    assert "late version 3 (staging)" in run("show", "late").output
    held.promote("late", 2, by="ann", why="the best", evidence={"wins": 9})
    shown = run("show", "late").output
    for said in (
        "late version 2 (champion)",
        "ab" * 32,
        "late-2@1",
        "carrier_landings.v2",
        "c0ffee",
        "the best",
        "evidence of promoted at",
        "wins                 9",
        "holdout_start        2013-01-15 00:00:00 UTC",
        "holdout_rows         1,000",
        "champions of late",
    ):
        assert said in shown
    assert "late-3@1" in run("show", "late", "3").output
    told = json.loads(run("list", "--json").output)
    assert [(v["version"], v["status"]) for v in told] == [(1, "staging"), (2, "champion"), (3, "staging")]
    assert told[1]["sha256"] == "ab" * 32
    assert told[1]["metrics"]["holdout_auc"] == 0.72
    assert told[1]["canary"] is None


def test_a_canary_begins_by_the_policys_first_step_and_is_listed(held: Registry) -> None:
    change("promote", "late", "1")
    held.start_trial("late", 2, by="ann", why="a test")
    none = change("canary", "late", "2")
    assert none.exit_code == 2
    assert "late has none" in none.output
    held.policies.save(
        [
            {
                "policy": "canary_policy",
                "model_name": "late",
                "steps": [0.05, 0.5],
                "hold": "1h",
                "min_requests": 100,
                "max_error_rate_rise": 0.01,
                "max_latency_ratio": 1.5,
                "max_harm": 0.02,
                "alpha": 0.01,
            }
        ]
    )
    done = change("canary", "late", "2")
    assert done.exit_code == 0, done.output
    assert "has a share of 0.05 of the entities of late. Go on?" in done.output
    assert "challenger, with a share of 0.05 since" in run("list").output
    assert "with a share of 0.05 since" in run("show", "late", "2").output
    assert "with a share" not in run("show", "late", "1").output
    assert change("reject", "late", "2").exit_code == 0
    assert "with a share" not in run("list").output


def test_a_promotion_by_hand_says_which_canary_it_ends(held: Registry) -> None:
    change("promote", "late", "1")
    for version in (2, 3):
        held.start_trial("late", version, by="ann", why="a test")
        held.canaries.begin("late", version, 0.05, by="ann", why="a test")
        done = change("promote", "late", str(version))
        assert f"the canary of version {version}, with a share of 0.05 now, ends. Go on?" in done.output
        assert (held.canaries.on("late"), held.serving_config("late")) == (None, ServingConfig("late"))
        promoted = held.history.events("late")[-1]
        assert promoted.kind == "promoted"
        assert json.loads(promoted.evidence or "")["canary"]["share"] == 0.05
        held.rollback("late", by="ann", why="a test")
