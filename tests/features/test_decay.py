"""The decay of counts and sums, against its definition in exact and in real numbers."""

import math
from fractions import Fraction
from math import isqrt
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from features import DefinitionError, decayed_count, decayed_total
from features.aggregates import LONGEST
from features.decay import KEPT, ONE, STEPS, WEIGHT_BITS, contribution, decayed, reading, weights

_H = 1_000
times = st.integers(-200 * _H, 200 * _H)
arrivals = st.tuples(st.integers(-(10**18), 10**18), times, st.integers(0, 100 * _H)).map(
    lambda event: (event[0], event[1], event[1] + event[2])  # units, ts, and a T that is not before
)


def test_weights_are_the_nearest_integers_to_the_roots_of_two() -> None:
    for step, weight in enumerate(weights()):
        root = 2 ** (2 * step + 1) << (WEIGHT_BITS + 1) * 2 * STEPS
        for _ in range(11):  # the 2048th root, rounded down: of a root rounded down it is the same
            root = isqrt(root)
        assert weight == (root + 1) // 2


@given(st.lists(arrivals, max_size=30), st.randoms(use_true_random=False), times)
def test_order_within_the_log_does_not_matter(
    log: list[tuple[int, int, int]], random: Random, clock: int
) -> None:
    shuffled = list(log)
    random.shuffle(shuffled)
    after = max([clock, *(arrival for _, _, arrival in log)])
    assert decayed(shuffled, after, _H) == decayed(log, after, _H)


@given(st.lists(arrivals, min_size=1, max_size=30))
def test_a_half_life_without_events_halves(log: list[tuple[int, int, int]]) -> None:
    clock = max(arrival for _, _, arrival in log)
    now, later = decayed(log, clock, _H), decayed(log, clock + _H, _H)
    halves = {arrival // _H for _, _, arrival in log}
    # each sum is rounded down by itself, and what is 64 half-lives old goes
    assert abs(now - 2 * later) <= 3 * len(halves) + (sum(abs(u) for u, _, _ in log) << 38 >> KEPT)


@given(st.lists(arrivals, min_size=1, max_size=30))
def test_all_is_forgotten_after_64_half_lives(log: list[tuple[int, int, int]]) -> None:
    clock = max(arrival for _, _, arrival in log)
    assert decayed(log, clock + (KEPT + 1) * _H, _H) == 0


@given(st.lists(arrivals, min_size=1, max_size=30))
@example([(1, -1, 0), (-1, 0, 0)])
def test_it_is_the_true_decayed_sum_within_a_step(log: list[tuple[int, int, int]]) -> None:
    clock = max(arrival for _, _, arrival in log)
    start = clock // _H * _H
    true = [units * Fraction(2.0 ** ((ts - start) / _H)) for units, ts, _ in log]
    forgotten = Fraction(sum(abs(units) for units, _, _ in log), 2**KEPT)
    relative = Fraction(2.0 ** (1 / (2 * STEPS)) - 1 + 2.0**-WEIGHT_BITS)
    error = abs(Fraction(decayed(log, clock, _H), 2**36) - sum(true))
    assert error <= relative * sum(abs(t) for t in true) + 2 * forgotten + Fraction(2 * len(log), 2**36)


@pytest.mark.parametrize(
    ("units", "ts", "clock", "expected"),
    [
        (1, 0, 0, weights()[0] << 16),
        (1, 999, 999, weights()[1022] << 16),
        (3, 999, 1_000, 3 * weights()[1022] << 15),
        (-1, 0, 63_000, -1),  # rounds down
        (1, 0, 63_000, 0),
        (2**27, 0, 63_999, weights()[0] >> 20),
        (2**27, 0, 64_000, 0),
        (5, -1, 0, 5 * weights()[1022] << 15),  # before 1970
    ],
)
def test_what_an_event_adds(units: int, ts: int, clock: int, expected: int) -> None:
    assert contribution(units, ts, clock, _H) == expected


def test_a_reading_is_a_double() -> None:
    assert reading(3 * int(ONE), 1.0) == 3.0
    assert reading(-int(ONE), 1e6) == -1e-6
    assert math.copysign(1, reading(0, 1.0)) == 1


def test_names_and_options() -> None:
    assert (decayed_count("60m").name, decayed_count("1h", "gate").name) == (
        "decayed_count_1h",
        "gate_decayed_count_1h",
    )
    amount = decayed_total("amount", half_life="90s", where="amount > 0", name="spent")
    assert (amount.name, amount.window, amount.options) == ("spent", None, (("half_life", 90_000),))
    assert decayed_total("amount", "1d").name == "amount_decayed_sum_1d"


@pytest.mark.parametrize(("half_life", "rule"), [("36501d", LONGEST), ("0s", "positive"), ("1w", "duration")])
def test_a_half_life_that_is_none(half_life: str, rule: str) -> None:
    with pytest.raises(DefinitionError, match=rule):
        decayed_count(half_life)
