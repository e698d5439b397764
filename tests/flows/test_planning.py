from dataclasses import replace

import numpy as np
import pytest

from features.evaluation import EvaluationPolicy
from flows.planning import plan
from flows.units import Assignment, Report, Unit
from tests.definitions import late

DAY = 86_400_000
UNTIL = 100 * DAY
POLICY = EvaluationPolicy(late, horizon="2d", min_units=50, max_units=2_000, effect=0.05)


def recent(n: int, entities: int, shadows: bool) -> list[Assignment]:
    """The champion errs in a fifth of the cases, and so does its shadow, by itself; over ten days."""
    rng, made = np.random.default_rng(3), []
    wrong = rng.random((n, 2)) < 0.2
    for i, (old, new) in enumerate(np.where(wrong, 0.1, 0.9).tolist()):
        asked = UNTIL - 12 * DAY + i * 10 * DAY // n
        answers = Unit(f"r{i}", old, new if shadows else None, None)
        made.append(Assignment(f"e{i % entities}", asked, answers, (Report(asked + 1, asked, 1.0),)))
    return made


@pytest.mark.parametrize("shadows", [True, False])
def test_a_plan_counts_units_and_finds_how_they_vary(shadows: bool) -> None:
    found = plan(recent(3_000, 3_000, shadows), POLICY, UNTIL)
    assert found.units_per_day == pytest.approx(300, rel=0.01)
    assert found.spread is not None
    assert found.spread.discordant == pytest.approx(0.32, abs=0.03)
    assert ("pairs of the last trial" in found.spread_of) == shadows
    assert found.stated is not None
    assert found.stated_days == pytest.approx(found.stated.units / 300 + 2, rel=0.01)
    assert found.longest_days == pytest.approx(2_000 / 300 + 2, rel=0.01)
    assert found.least is not None
    assert found.least.effect > 0


def test_a_plan_warns_of_a_trial_that_is_too_short() -> None:
    (said,) = plan(recent(3_000, 3_000, True), replace(POLICY, max_units=200), UNTIL).warnings
    assert "0.05, is found with a power of" in said
    tiny = replace(POLICY, min_units=1, max_units=3)
    assert "no effect that there can be" in plan(recent(3_000, 3_000, True), tiny, UNTIL).warnings[0]


def test_split_traffic_is_planned_by_entities_and_takes_longer() -> None:
    policy = replace(POLICY, mode="split", share=0.1, max_units=20_000)
    paired = plan(recent(3_000, 3_000, False), replace(POLICY, max_units=20_000, metric="brier"), UNTIL)
    found = plan(recent(3_000, 3_000, False), policy, UNTIL)
    assert found.stated is not None
    assert paired.stated is not None
    assert found.stated.units > 2 * paired.stated.units
    few = plan(recent(3_000, 200, False), policy, UNTIL)
    assert any("about 500 entities, and 200 were seen" in said for said in few.warnings)


def test_nothing_is_foretold_of_few_units() -> None:
    found = plan(recent(50, 50, True), POLICY, UNTIL)
    assert (found.stated, found.least, found.units_per_day) == (None, None, 0.0)
    assert "found 50" in found.warnings[0]
