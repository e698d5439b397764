import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from features.policies import EvaluationPolicy
from flows.trial import Decision, Rule, judge
from flows.units import Unit
from tests.definitions import late

POLICY = EvaluationPolicy(late, alpha=0.05, threshold=0.5, min_units=20, max_units=1_000)
WIN, LOSS = (0.1, 0.9, 1.0), (0.9, 0.1, 1.0)
BOTH_RIGHT, BOTH_WRONG = (0.9, 0.8, 1.0), (0.9, 0.8, 0.0)


Part = tuple[float | None, float | None, float | None]


def units(*parts: Part) -> list[Unit]:
    return [Unit(f"r{i}", *part) for i, part in enumerate(parts)]


def test_a_clear_winner_is_promoted_at_the_first_unit_that_suffices() -> None:
    verdict = judge(units(*[WIN] * 50), POLICY)
    assert verdict.decision is Decision.PROMOTE
    assert verdict.n_units == POLICY.min_units == verdict.wins
    assert verdict.e_value >= 20
    assert verdict.losses == 0
    assert "20 of 20 discordant pairs" in verdict.reason


def test_what_is_right_goes_by_the_models_threshold_unless_the_policy_states_one() -> None:
    found = units(*[(0.2, 0.4, 1.0)] * 50)  # above 0.3 the challenger alone
    own = EvaluationPolicy(replace(late, threshold=0.3), min_units=20, max_units=1_000)
    verdict = judge(found, own)
    assert (verdict.decision, verdict.wins, verdict.losses) == (Decision.PROMOTE, 20, 0)
    stated = judge(found, replace(own, threshold=0.5))
    assert (stated.decision, stated.wins, stated.losses) == (Decision.CONTINUE, 0, 0)


def test_a_clear_loser_is_rejected_before_the_trial_is_full() -> None:
    verdict = judge(units(*[LOSS] * 50), POLICY)
    assert verdict.decision is Decision.REJECT
    assert verdict.n_units < POLICY.min_units
    assert verdict.e_value_worse >= 20 > verdict.e_value


def test_pairs_on_which_both_agree_tell_nothing() -> None:
    verdict = judge(units(*[BOTH_RIGHT, BOTH_WRONG] * 100), POLICY)
    assert verdict.decision is Decision.CONTINUE
    assert verdict.n_units == 200
    assert verdict.n_discordant == 0
    assert verdict.e_value == pytest.approx(1)


def test_a_full_trial_without_proof_rejects() -> None:
    verdict = judge(units(*[WIN, LOSS] * 600), POLICY)
    assert verdict.decision is Decision.REJECT
    assert verdict.n_units == POLICY.max_units
    assert "after the trial's 1000 units" in verdict.reason


def test_no_units_yet() -> None:
    verdict = judge([], POLICY)
    assert (verdict.decision, verdict.n_units, verdict.e_value) == (Decision.CONTINUE, 0, pytest.approx(1))


def test_unlabelled_pairs_wait_and_are_counted() -> None:
    verdict = judge(units(*[WIN] * 10, *[(0.1, 0.9, None)] * 5), POLICY)
    assert verdict.n_units == 10
    assert verdict.n_unlabelled == 5
    assert verdict.n_requests == 15


def test_a_request_that_only_one_model_answered_is_no_unit() -> None:
    verdict = judge(units(*[WIN] * 10, (0.1, None, 1.0)), POLICY)
    assert verdict.n_units == 10
    assert verdict.n_mismatched == 1
    assert verdict.decision is Decision.CONTINUE


def test_too_many_unmatched_requests_stop_the_trial_whatever_the_evidence() -> None:
    # Most of them at once, before the evidence for the challenger suffices.
    verdict = judge(units(*[(0.1, None, 1.0)] * 5, (None, 0.9, 1.0), *[WIN] * 94), POLICY)
    assert (verdict.decision, verdict.rule) == (Decision.STOP, Rule.RATIO)
    assert "found 6 of 100" in verdict.reason
    assert verdict.n_units == 0
    assert verdict.ratio_e_value >= 1_000


@given(st.lists(st.sampled_from([WIN, LOSS, BOTH_RIGHT, BOTH_WRONG]), max_size=80), st.data())
@settings(deadline=None, max_examples=50)
def test_a_later_look_never_changes_a_decision(parts: list[Part], data: st.DataObject) -> None:
    policy = replace(POLICY, alpha=0.3, min_units=4, max_units=60)
    early = judge(units(*parts[: data.draw(st.integers(0, len(parts)))]), policy)
    late = judge(units(*parts), policy)
    if early.decision is not Decision.CONTINUE:
        assert (late.decision, late.n_units, late.e_value) == (early.decision, early.n_units, early.e_value)


def _trials(
    rng: np.random.Generator, p_challenger: float, p_champion: float, runs: int, length: int
) -> Iterator[list[Unit]]:
    for _ in range(runs):
        label = rng.random(length) < 0.3
        champion = np.where(rng.random(length) < p_champion, label, ~label) * 0.8 + 0.1
        challenger = np.where(rng.random(length) < p_challenger, label, ~label) * 0.8 + 0.1
        yield [
            Unit("r", float(a), float(b), float(y))
            for a, b, y in zip(champion, challenger, label, strict=True)
        ]


def test_whole_trials_keep_both_error_rates() -> None:
    # judge() stops at the first unit that decides, so one call is a look after every unit.
    policy = replace(POLICY, alpha=0.1, max_units=800)
    verdicts = [judge(t, policy) for t in _trials(np.random.default_rng(3), 0.8, 0.8, 300, 800)]
    promoted = sum(v.decision is Decision.PROMOTE for v in verdicts)
    early = sum(v.decision is Decision.REJECT and v.n_units < 800 for v in verdicts)
    assert binomtest(promoted, 300, policy.alpha, alternative="greater").pvalue > 0.01
    assert binomtest(early, 300, policy.alpha, alternative="greater").pvalue > 0.01


def test_a_better_challenger_is_promoted() -> None:
    verdicts = [judge(t, POLICY) for t in _trials(np.random.default_rng(4), 0.85, 0.7, 100, 1_000)]
    assert sum(v.decision is Decision.PROMOTE for v in verdicts) >= 95
    assert np.median([v.n_units for v in verdicts]) < 400
    assert all(math.isfinite(v.e_value) for v in verdicts)
