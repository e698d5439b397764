import json
from collections.abc import Iterator
from dataclasses import asdict
from itertools import count
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from augury.cli import app
from augury.models import registry
from augury.settings import Settings
from features.evaluation import EvaluationPolicy
from flows.ledger import Ledger
from flows.planning import plan
from flows.record import record
from flows.trial import judge
from inference.registry import Registry
from tests.definitions import late
from tests.flows.test_planning import UNTIL, recent
from tests.flows.test_trial import LOSS, WIN, units
from tests.warehouse.test_champions import register

POLICY = EvaluationPolicy(late, min_units=20, max_units=1_000)


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """A registry with a champion and two challengers, on a machine where no warehouse answers."""
    monkeypatch.setenv("COLUMNS", "200")
    for name, value in Settings.with_free_ports(tmp_path).environment().items():
        monkeypatch.setenv(name, value)
    registry(Settings()).close()
    clock = count(UNTIL)
    opened = Registry(Settings().registry_database_url, lambda: next(clock))
    for _ in range(3):
        register(opened, "late")
    opened.promote("late", 1, by="ann", why="the first")
    yield opened
    opened.close()


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["trial", *words])


def test_a_trial_is_shown_with_its_plan_its_decision_and_its_picture(held: Registry, tmp_path: Path) -> None:
    assert "has had none" in run("show", "late").output
    foretold = plan(recent(300, 300, True), POLICY, UNTIL)
    held.start_trial("late", 2, by="evaluation", why="registered", evidence={"plan": asdict(foretold)})
    shown = run("show", "late").output
    assert "version 2, on trial since" in shown
    assert "300 pairs of the last trial" in shown
    assert "it goes on" in shown
    verdict = judge(units(*[LOSS] * 50), POLICY)
    evidence = record(POLICY, verdict, Ledger(labelled=50, late=3))
    held.reject("late", 2, by="evaluation", why=verdict.reason, evidence=evidence)
    picture = tmp_path / "trial.svg"
    shown = run("show", "late", "2", "--picture", str(picture)).output
    assert "rejected at" in shown
    assert f"rule                         {verdict.rule}" in shown
    assert "ledger: late                 3" in shown
    assert "policy: max_units            1,000" in shown
    assert "<polyline" in picture.read_text(encoding="utf-8")
    held.start_trial("late", 3, by="evaluation", why="the next")
    assert "version 3, on trial since" in run("show", "late").output


def test_a_record_is_json_whatever_its_bounds() -> None:
    for verdict in (judge([], POLICY), judge(units(*[WIN] * 30), POLICY)):
        json.dumps(record(POLICY, verdict, Ledger()), allow_nan=False)


def test_a_plan_is_of_a_model_that_has_a_policy() -> None:
    answer = run("plan", "examples.flights", "nobody")
    assert answer.exit_code == 2
    assert "'nobody' has none" in answer.output
