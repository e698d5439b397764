import math
from dataclasses import replace

import numpy as np
import pytest

from features.evaluation import EvaluationPolicy, Sprt
from flows.power import GOOD_POWER, Spread, detectable, expected_effect, outlook
from flows.trial import Decision, judge
from flows.units import Unit
from tests.definitions import late

COUNTED = EvaluationPolicy(late, min_units=50, max_units=1_000)
MEAN = replace(COUNTED, metric="brier")


def pairs(rng: np.random.Generator, n: int, discordant: float, chance: float) -> list[Unit]:
    tells, won = rng.random(n) < discordant, rng.random(n) < chance
    scores = ((0.1, 0.9) if w else (0.9, 0.1) for w in won)
    return [Unit("r", *(s if t else (0.9, 0.9)), 1.0) for s, t in zip(scores, tells, strict=True)]


def test_the_power_of_the_e_process_is_that_of_whole_trials() -> None:
    rng, spread = np.random.default_rng(1), Spread(0.0, 0.3)
    found = outlook(COUNTED, spread, 0.06)  # 0.3 * (2 * 0.6 - 1)
    verdicts = [judge(pairs(rng, 1_000, 0.3, 0.6), COUNTED) for _ in range(150)]
    promoted = np.mean([v.decision is Decision.PROMOTE for v in verdicts])
    assert 0.3 < found.power < 0.95
    assert found.power == pytest.approx(promoted, abs=0.12)
    assert found.units == pytest.approx(np.mean([v.n_units for v in verdicts]), rel=0.1)


def test_the_power_of_an_asymptotic_sequence_is_that_of_whole_trials() -> None:
    rng, base = np.random.default_rng(2), 0.5
    # Brier scores whose difference has a mean of 0.03 and a deviation of about 0.3
    trials = []
    for _ in range(150):
        old, new = (np.clip(m + 0.35 * rng.normal(size=1_000), 0, 1) for m in (base, base + 0.03))
        trials.append([Unit("r", float(a), float(b), 1.0) for a, b in zip(old, new, strict=True)])
    gain = np.array([(1 - u.champion) ** 2 - (1 - u.challenger) ** 2 for t in trials for u in t])  # type: ignore[operator]
    verdicts = [judge(t, MEAN) for t in trials]
    promoted = np.mean([v.decision is Decision.PROMOTE for v in verdicts])
    found = outlook(MEAN, Spread(float(gain.std()), 0.0), float(gain.mean()))
    assert 0.2 < promoted < 0.97
    assert found.power == pytest.approx(promoted, abs=0.12)


def test_the_length_of_a_probability_ratio_test_is_the_one_that_wald_gives() -> None:
    # Wald 1945, equation 3:57, with both errors far from the truncation, and overshoot beyond the bounds.
    policy = replace(COUNTED, min_units=1, max_units=4_000, method="sprt", sprt=Sprt(0.5, 0.55, 0.05))
    found = outlook(policy, Spread(0.0, 1.0), expected_effect(policy, Spread(0.0, 1.0)) or 0.0)
    step = 0.55 * math.log(0.55 / 0.5) + 0.45 * math.log(0.45 / 0.5)
    wald = (0.95 * math.log(20) - 0.05 * math.log(20)) / step
    assert found.power >= 0.95 - 0.03
    assert found.units == pytest.approx(wald, rel=0.15)


@pytest.mark.parametrize(
    "policy", [COUNTED, MEAN, replace(MEAN, method="bernstein"), replace(MEAN, mode="split")]
)
def test_the_error_rate_is_the_power_at_the_minimum_and_power_grows_with_effect_and_length(
    policy: EvaluationPolicy,
) -> None:
    spread = Spread(0.5, 0.3)
    powers = [outlook(policy, spread, effect).power for effect in (0.0, 0.02, 0.05, 0.1, 0.2)]
    assert powers[0] <= policy.alpha + 0.02
    assert powers == sorted(powers)
    longer = replace(policy, max_units=10_000)
    assert outlook(longer, spread, 0.05).power >= powers[2]


def test_the_least_detectable_effect_has_the_power_and_a_smaller_one_has_not() -> None:
    spread = Spread(0.5, 0.3)
    for policy in (COUNTED, MEAN):
        least = detectable(policy, spread)
        assert least is not None
        assert least.power >= GOOD_POWER > outlook(policy, spread, 0.8 * least.effect).power
    assert detectable(COUNTED, Spread(0.0, 0.001)) is None
