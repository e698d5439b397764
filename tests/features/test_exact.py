import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from features.exact import as_double, mean, skewness, stddev, variance

UNIT = 1e6
values = st.lists(st.integers(-(10**15), 10**15), min_size=1, max_size=40)


def sums(units: list[int]) -> tuple[int, int, int, int]:
    return (len(units), sum(units), sum(u**2 for u in units), sum(u**3 for u in units))


@given(st.integers(-(2**64) + 1, 2**64 - 1))
def test_an_integer_of_64_bits_is_the_nearest_double(total: int) -> None:
    assert as_double(total) == float(total)


@given(st.integers(-(2**255), 2**255 - 1))
def test_a_wide_integer_is_within_an_ulp(total: int) -> None:
    found = as_double(total)
    assert abs(Fraction(found) - total) <= Fraction(math.ulp(found))
    assert as_double(-total) == -found


@pytest.mark.parametrize(
    ("total", "expected"),
    [
        (0, 0.0),
        (2**53 + 1, 2.0**53),
        (2**64, 2.0**64),
        (2**64 + 2**11, 2.0**64),  # half an ulp up goes to even
        (2**64 + 2**11 + 1, 2.0**64 + 2**12),
        (-(2**127), -(2.0**127)),
    ],
)
def test_ties_go_to_even(total: int, expected: float) -> None:
    assert as_double(total) == expected


def test_nothing_has_no_moments() -> None:
    assert mean(0, 0, UNIT) is None
    assert variance(0, 0, 0, UNIT) is None
    assert stddev(0, 0, 0, UNIT) is None
    assert skewness(0, 0, 0, 0) is None


@given(st.integers(-(10**15), 10**15), st.integers(1, 1000))
def test_equal_values_do_not_vary_at_all(value: int, count: int) -> None:
    count, total, squares, cubes = sums([value] * count)
    assert variance(count, total, squares, UNIT) == 0.0
    assert skewness(count, total, squares, cubes) is None


@given(values)
def test_moments_are_those_of_exact_arithmetic(units: list[int]) -> None:
    count, total, squares, cubes = sums(units)
    centre = Fraction(total, count)
    second = sum((u - centre) ** 2 for u in units) / count
    found = variance(count, total, squares, UNIT)
    assert found is not None
    assert math.isclose(found, float(second / 10**12), rel_tol=1e-14)
    assert stddev(count, total, squares, UNIT) == math.sqrt(found)
    skew = skewness(count, total, squares, cubes)
    if second:
        assert skew is not None
        third = sum((u - centre) ** 3 for u in units) / count
        assert math.isclose(skew, float(third) / float(second) ** 1.5, rel_tol=1e-12, abs_tol=1e-300)


def test_moments_are_those_of_scipy() -> None:
    units = [int(u) for u in np.random.default_rng(1).gamma(2.0, 1e6, 5_000)]
    count, total, squares, cubes = sums(units)
    held = np.array(units) / UNIT
    assert mean(count, total, UNIT) == pytest.approx(held.mean(), rel=1e-12)
    assert variance(count, total, squares, UNIT) == pytest.approx(held.var(), rel=1e-12)
    assert skewness(count, total, squares, cubes) == pytest.approx(stats.skew(held), rel=1e-10)
