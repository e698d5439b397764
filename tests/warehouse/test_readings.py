"""The formulas in SQL against those of `features.exact`, to the bit."""

from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from features import FeatureGroup, exact, mean, skewness, stddev, variance
from features.compile import compile_group
from features.plan import CUBED_BOUND, SCALE
from tests.definitions import carrier, landed
from tests.warehouse.engine import Query, in_process
from warehouse.parts import Kept
from warehouse.readings import conversions, feature, held

MOMENTS = compile_group(
    FeatureGroup("g", 1, carrier, landed(), [f("delay") for f in (mean, variance, stddev, skewness)])
)
POWERS = {Kept.COUNT: 0, Kept.SUM: 1, Kept.SQUARES: 2, Kept.CUBES: 3}
UNIT = 10**SCALE
LARGEST = CUBED_BOUND * UNIT
EDGES = [
    n + around
    for n in (0, 2**52, 2**53, 2**54, 2**63, 2**64, 2**65, 2**127, 2**128, 2**192, 2**200)
    for around in (-(2**11) - 1, -(2**10), -1, 0, 1, 2, 3, 2**11, 2**11 + 1, 2**12, 3 * 2**11)
]


@pytest.fixture(scope="module")
def query() -> Iterator[Query]:
    with in_process() as running:
        yield running


def as_doubles(query: Query, totals: list[int], integer: str = "Int256") -> list[float]:
    cells = ", ".join(f"to{integer}('{total}')" for total in totals)
    rows = query(f"WITH {conversions(integer)} SELECT sum_as_double(arrayJoin([{cells}])) AS found")
    return [row["found"] for row in rows]


@pytest.mark.parametrize("sign", [1, -1])
def test_an_integer_is_the_same_double_at_every_edge(query: Query, sign: int) -> None:
    totals = [sign * n for n in EDGES]
    assert list(map(repr, as_doubles(query, totals))) == [repr(exact.as_double(n)) for n in totals]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(-(2**255), 2**255 - 1) | st.integers(-(2**66), 2**66), min_size=1))
@example([-(2**255), 2**255 - 1])
def test_an_integer_is_the_same_double(query: Query, totals: list[int]) -> None:
    assert as_doubles(query, totals) == [exact.as_double(n) for n in totals]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(-(2**127), 2**127 - 1), min_size=1))
def test_a_total_of_128_bits_is_the_same_double(query: Query, totals: list[int]) -> None:
    assert as_doubles(query, totals, "Int128") == [exact.as_double(n) for n in totals]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1))
@example([-(2**63), 2**63 - 1, -(2**63) + 513, 2**53 + 1, 0])
def test_a_total_of_64_bits_is_the_same_double(query: Query, totals: list[int]) -> None:
    found = map(repr, as_doubles(query, totals, "Int64"))
    assert list(found) == [repr(exact.as_double(n)) for n in totals]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(-LARGEST, LARGEST) | st.integers(-2, 2), max_size=40), st.integers(1, 10**8))
@example([], 1)
@example([7], 3)  # values without spread
@example([LARGEST, -LARGEST, LARGEST], 10**8)
def test_moments_are_those_of_the_exact_formulas(query: Query, units: list[int], times: int) -> None:
    """Each value stands `times` times in the window."""
    sums = [times * sum(u**power for u in units) for power in range(4)]
    columns = ", ".join(f"toInt256('{sums[POWERS[part.kept]]}') AS {part.name}" for part in held(MOMENTS))
    features = ", ".join(f"{feature(MOMENTS, a)} AS {a.op}" for a in MOMENTS.aggregates)
    (found,) = query(f"WITH {conversions('Int128')} SELECT {features} FROM (SELECT {columns})")
    count, total, squares, cubes = sums
    wanted = {
        "mean": exact.mean(count, total, UNIT),
        "variance": exact.variance(count, total, squares, UNIT),
        "stddev": exact.stddev(count, total, squares, UNIT),
        "skewness": exact.skewness(count, total, squares, cubes),
    }
    assert {name: repr(value) for name, value in found.items()} == {n: repr(v) for n, v in wanted.items()}
