from dataclasses import replace

import numpy as np

from features.evaluation import EvaluationPolicy, Guard, Sprt
from flows.trial import Decision, Rule, judge
from flows.units import Unit
from tests.definitions import late

PAIRED = EvaluationPolicy(late, min_units=100, max_units=3_000)


def paired(n: int, worse_in: str = "") -> list[Unit]:
    """A challenger that is right more often, but for one segment."""
    rng, units = np.random.default_rng(6), []
    for i in range(n):
        segment = "AB"[i % 2]
        chance = 0.6 if segment == worse_in else 0.95
        label = float(rng.random() < 0.5)
        old, new = (abs(label - 0.1) if rng.random() < p else abs(label - 0.9) for p in (0.7, chance))
        units.append(Unit(f"r{i}", old, new, label, (segment,)))
    return units


def split(n: int, share: float, seed: int = 7) -> list[Unit]:
    rng, units = np.random.default_rng(seed), []
    for i in range(n):
        own, label = bool(rng.random() < share), float(rng.random() < 0.5)
        score = abs(label - 0.1) if rng.random() < (0.95 if own else 0.7) else abs(label - 0.9)
        units.append(Unit(f"r{i}", None if own else score, score if own else None, label, (), own))
    return units


def test_a_segment_that_gets_worse_keeps_a_better_challenger_out() -> None:
    policy = replace(PAIRED, segments=("carrier",), segment_margin=0.02)
    assert judge(paired(3_000, worse_in="B"), PAIRED).decision is Decision.PROMOTE
    verdict = judge(paired(3_000, worse_in="B"), policy)
    assert (verdict.decision, verdict.rule) == (Decision.REJECT, Rule.SEGMENT)
    assert "carrier=B" in verdict.reason
    assert judge(paired(3_000), policy).decision is Decision.PROMOTE


def test_a_guard_is_shown_before_a_promotion() -> None:
    verdict = judge(paired(3_000), replace(PAIRED, guards=(Guard("brier", 0.01),)))
    assert verdict.decision is Decision.PROMOTE
    assert verdict.checks["brier"] > -0.01


def test_split_traffic_is_judged_once_either_variant_has_enough() -> None:
    policy = replace(PAIRED, mode="split", share=0.2)
    verdict = judge(split(3_000, 0.2), policy)
    assert (verdict.decision, verdict.rule) == (Decision.PROMOTE, Rule.BETTER)
    assert verdict.n_challenger >= 100


def test_a_share_that_is_not_the_stated_one_stops_split_traffic() -> None:
    verdict = judge(split(3_000, 0.35), replace(PAIRED, mode="split", share=0.1))
    assert (verdict.decision, verdict.rule) == (Decision.STOP, Rule.RATIO)


def test_a_sequential_probability_ratio_test_goes_by_its_own_chances() -> None:
    policy = replace(PAIRED, method="sprt", sprt=Sprt(0.5, 0.65))
    assert judge(paired(3_000), policy).rule is Rule.BETTER
    even = [replace(u, challenger=u.champion, champion=u.challenger) for u in paired(3_000)]
    assert judge(even, policy).rule is Rule.WORSE
