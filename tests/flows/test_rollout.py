import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features import CanaryPolicy, EvaluationPolicy
from features.policies import LOOKS
from flows.rollout import Harm, Step, decide, weigh_harm
from tests.definitions import late
from warehouse.canaries import QUANTILES, Side, Traffic

POLICY = CanaryPolicy(late, min_requests=100)
JUDGE = EvaluationPolicy(late, metric="brier", min_units=50)
SOUND = Traffic(Side(5_000, 10, 4_990, (2_500, 50), (1.0, 3.0)), Side(500, 1, 499, (250, 5), (1.0, 3.0)))


def challenger(**change: Any) -> Traffic:
    return replace(SOUND, challenger=replace(SOUND.challenger, **change))


def harm(worse: float | None) -> Harm:
    return Harm("brier", 900, 900, -0.1, -0.2, worse)


def test_a_sound_challenger_grows_by_every_step_and_is_promoted() -> None:
    share, seen = POLICY.steps[0], []
    while (found := decide(POLICY, share, LOOKS, SOUND, harm(0.0))).step is Step.GROW:
        assert found.grows_to is not None
        seen.append(share := found.grows_to)
    assert seen == [0.05, 0.25, 0.5]
    assert found.step is Step.PROMOTE


@pytest.mark.parametrize(
    ("traffic", "found", "said"),
    [
        (challenger(errors=100), None, "100 of its 500 answers are errors.*10 of 5000"),
        (challenger(slow=(480, 5)), None, "50th percentile"),
        (challenger(slow=(250, 40)), None, "99th percentile"),
        (SOUND, harm(0.03), "worse by 0.03 of brier"),
        (challenger(requests=20, errors=20, timed=0, slow=(0, 0), latency_ms=None), None, "20 of its 20"),
    ],
)
@pytest.mark.parametrize("number", [1, LOOKS, 500])
def test_what_is_wrong_rolls_back_at_any_look(
    traffic: Traffic, found: Harm | None, said: str, number: int
) -> None:
    look = decide(POLICY, 0.01, number, traffic, found)
    assert look.step is Step.ROLL_BACK
    assert re.search(said, look.reason)


@pytest.mark.parametrize(
    ("traffic", "number"),
    [
        (SOUND, LOOKS - 1),
        (challenger(requests=99, errors=0, timed=99, slow=(40, 1)), LOOKS),
        (replace(SOUND, champion=Side()), LOOKS),
        (Traffic(), 10 * LOOKS),
        (challenger(requests=2, errors=1, timed=1, slow=(0, 0)), LOOKS),
    ],
)
def test_what_is_early_or_little_holds(traffic: Traffic, number: int) -> None:
    assert decide(POLICY, 0.01, number, traffic, harm(None)).step is Step.HOLD


def sides(least: int = 0) -> st.SearchStrategy[Side]:
    """Draw one variant's counts."""

    @st.composite
    def drawn(draw: st.DrawFn) -> Side:
        requests = draw(st.integers(least, 5_000))
        errors = draw(st.integers(0, requests))
        timed = requests - errors
        slow = tuple(draw(st.integers(0, timed)) for _ in QUANTILES)
        return Side(requests, errors, timed, slow, (1.0, 2.0) if timed else None)

    return drawn()


HARMS = st.one_of(st.none(), st.builds(harm, st.one_of(st.none(), st.floats(-1, 1))))


@given(st.builds(Traffic, sides(), sides()), st.sampled_from(POLICY.steps), st.integers(1, 10_000), HARMS)
def test_a_share_only_grows_and_only_behind_a_whole_step(
    traffic: Traffic, share: float, number: int, found: Harm | None
) -> None:
    look = decide(POLICY, share, number, traffic, found)
    if look.step in (Step.GROW, Step.PROMOTE):
        assert number >= LOOKS
        assert min(traffic.champion.requests, traffic.challenger.requests) >= POLICY.min_requests
    if found is not None and found.worse_at_least is not None and found.worse_at_least > POLICY.max_harm:
        assert look.step is Step.ROLL_BACK
    if look.step is Step.GROW:
        assert look.grows_to is not None
        assert share < look.grows_to < 1
    if look.step is Step.PROMOTE:
        assert share == POLICY.steps[-1]


@given(st.builds(Traffic, sides(), sides(1)), st.integers(1, 50), st.integers(1, 2_000))
def test_more_errors_never_mend_a_step_that_failed(traffic: Traffic, number: int, more: int) -> None:
    worse = replace(
        traffic.challenger, errors=min(traffic.challenger.requests, traffic.challenger.errors + more)
    )
    steps = [decide(POLICY, 0.01, number, t, None).step for t in (traffic, Traffic(traffic.champion, worse))]
    assert steps[0] is not Step.ROLL_BACK or steps[1] is Step.ROLL_BACK


def looks_of(
    random: np.random.Generator, *, errors: tuple[float, float], slower: float, n: int
) -> list[Step]:
    """Simulate a step with a look at each tenth, and two more holds; the challenger has a fifth."""
    old, new = random.lognormal(0, 1, 4 * n * 3), random.lognormal(0, 1, n * 3) * slower
    failed = [random.random(len(part)) < rate for part, rate in zip((old, new), errors, strict=True)]
    times = [old[~failed[0]] * STRICT.max_latency_ratio, new[~failed[1]]]
    found = []
    for number in range(1, 3 * LOOKS + 1):
        upto = [len(part) * number // (3 * LOOKS) for part in (old, new)]
        kept = [f[:k] for f, k in zip(failed, upto, strict=True)]
        seen = [t[: int((~f).sum())] for t, f in zip(times, kept, strict=True)]
        bounds = np.quantile(np.concatenate(seen), QUANTILES)
        made = [
            Side(len(f), int(f.sum()), len(t), tuple(int((t > b).sum()) for b in bounds), (1.0, 1.0))
            for f, t in zip(kept, seen, strict=True)
        ]
        found.append(decide(STRICT, 0.2, number, Traffic(*made), None).step)
    return found


STRICT = replace(POLICY, steps=(0.2,), alpha=0.2)


def test_a_challenger_at_the_limits_is_rolled_back_no_more_often_than_is_stated() -> None:
    """At both limits, with thirty looks: errors and latency have three quarters of alpha, that is 0.15."""
    random, runs = np.random.default_rng(5), 150
    back = sum(
        Step.ROLL_BACK in looks_of(random, errors=(0.02, 0.03), slower=1.5, n=300) for _ in range(runs)
    )
    assert back / runs <= 0.15


@pytest.mark.parametrize(("errors", "slower"), [((0.02, 0.2), 1.0), ((0.02, 0.02), 3.0)])
def test_a_challenger_far_beyond_a_limit_is_rolled_back(errors: tuple[float, float], slower: float) -> None:
    random = np.random.default_rng(6)
    found = [looks_of(random, errors=errors, slower=slower, n=300) for _ in range(50)]
    assert sum(Step.ROLL_BACK in steps[:LOOKS] for steps in found) >= 49


def test_a_challenger_like_the_champion_is_not_worse_at_any_look() -> None:
    """Harm alone has a quarter of alpha, that is 0.05; each prefix of the labels is a look."""
    random, runs, wrong = np.random.default_rng(7), 200, 0
    policy = replace(STRICT, max_harm=0.0)
    for _ in range(runs):
        new, score = random.random(2_000) < 0.3, random.random(2_000)
        label = (random.random(2_000) < score).astype(float)
        upto = range(200, 2_001, 100)
        found = [weigh_harm(policy, JUDGE, new[:n], score[:n], label[:n]).worse_at_least for n in upto]
        wrong += any(worse is not None and worse > 0 for worse in found)
    assert wrong / runs <= 0.05


@pytest.mark.parametrize("metric", ["accuracy", "log_loss", "brier", "rmse", "auc"])
def test_a_challenger_of_noise_is_worse_by_every_metric(metric: str) -> None:
    random = np.random.default_rng(8)
    new = random.random(6_000) < 0.5
    label = (random.random(6_000) < 0.5).astype(float)
    score = np.where(new, random.random(6_000), 0.1 + 0.8 * label)
    judged_by = EvaluationPolicy(late, metric=metric, min_units=50)
    found = weigh_harm(POLICY, judged_by, new, score, label)
    assert found.metric == ("brier" if metric == "auc" else metric)
    assert found.worse_at_least is not None
    assert found.worse_at_least > POLICY.max_harm
    assert found.champion is not None
    assert found.challenger is not None
    assert found.champion - found.challenger > found.worse_at_least


def test_few_labels_say_nothing() -> None:
    few = np.arange(80) % 2 == 0
    found = weigh_harm(POLICY, JUDGE, few, np.ones(80), np.zeros(80))
    assert (found.champion_units, found.challenger_units, found.worse_at_least) == (40, 40, None)
    none = weigh_harm(POLICY, JUDGE, few[:0], np.ones(0), np.zeros(0))
    assert (none.champion, none.challenger) == (None, None)
