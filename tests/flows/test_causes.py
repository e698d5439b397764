import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.causes import BEYOND, CONSTANT, DATA, NEW_CATEGORY, NULLS, SILENT, STALE, broken, causes, scale
from flows.divergence import CHI_SQUARED, PSI
from warehouse.bins import Bins
from warehouse.references import DECILES, Reference

RANDOM = np.random.default_rng(1)
HELD = RANDOM.lognormal(3, 0.5, 5_000)
SPREAD = tuple(float(v) for v in np.quantile(HELD, DECILES))
NUMBER = Reference("x", PSI, Bins(SPREAD[1:-1]), (*[490] * 10, 100), SPREAD)
TEXT = Reference("t", CHI_SQUARED, Bins(levels=("a", "b", "c")), (500, 300, 150, 5, 45), ())


def deciles(values: np.ndarray) -> list[float]:
    return [float(v) for v in np.quantile(values, DECILES)]


def number(values: np.ndarray, missing: int = 20, stale: float = 0.0) -> tuple[str, ...]:
    return causes(NUMBER, [*[len(values) // 10] * 10, missing], deciles(values), stale)


def test_a_change_that_no_rule_speaks_of_is_of_the_data() -> None:
    assert number(RANDOM.lognormal(3.1, 0.5, 1_000)) == (DATA,)
    assert number(HELD[:1_000] + 20) == (DATA,)  # moved by a constant, not scaled
    assert causes(TEXT, [100, 500, 300, 4, 40], (), 0.0) == (DATA,)


@pytest.mark.parametrize(("missing", "found"), [(60, DATA), (100, NULLS), (400, NULLS)])
def test_missing_values_jump_by_a_share_and_a_factor(missing: int, found: str) -> None:
    # 2 % were missing in the reference
    assert number(RANDOM.lognormal(3, 0.5, 1_000), missing) == (found,)


def test_many_missing_values_that_become_some_more_are_no_jump() -> None:
    held = Reference("x", PSI, NUMBER.bins, (*[300] * 10, 2_000), SPREAD)  # 40 %
    assert causes(held, [*[50] * 10, 500], deciles(HELD), 0.0) == (DATA,)


@pytest.mark.parametrize(("beyond", "found"), [(0.009, DATA), (0.01, BEYOND), (1.0, BEYOND)])
def test_impossible_values_are_a_fault_whatever_their_shape(beyond: float, found: str) -> None:
    celsius = deciles(RANDOM.lognormal(3.1, 0.5, 1_000))
    assert causes(NUMBER, [*[100] * 10, 20], celsius, 0.0, beyond=beyond) == (found,)
    assert broken((found,)) == (found == BEYOND)


@given(st.floats(0.001, 1_000), st.integers(0, 1_000))
def test_a_factor_is_found_where_it_is_a_change_of_unit(factor: float, seed: int) -> None:
    values = factor * np.random.default_rng(seed).lognormal(3, 0.5, 500)
    found = scale(SPREAD, deciles(values))
    if 1 / 4 < factor < 4:
        assert found is None  # half of the values, or more, are where others have been
    elif not 1 / 10 < factor < 10:  # between them a sample may fall on either side
        assert found == pytest.approx(factor, rel=0.15)
        assert any(cause.startswith("scaled by") for cause in number(values))


def test_what_adds_is_no_change_of_unit_however_far_it_leads() -> None:
    pressure = RANDOM.normal(1_017, 8, 1_000)
    held = deciles(pressure)
    assert scale(held, deciles(pressure * 0.02953)) == pytest.approx(0.02953, rel=0.001)
    assert scale(held, deciles(pressure[:50] * 0.02953)) == pytest.approx(0.02953, rel=0.01)
    winter = deciles(RANDOM.normal(35, 7, 1_000))
    assert scale(winter, deciles(RANDOM.normal(75, 7, 1_000))) is None  # it is summer


def test_a_constant_column() -> None:
    assert number(np.zeros(1_000)) == (CONSTANT,)
    never_varied = Reference("x", PSI, Bins((3.9, 4.0)), (0, 5_000, 0, 0), (4.0,) * 11)
    assert causes(never_varied, [0, 0, 1_000, 0], [9.0] * 11, 0.0) == ("scaled by 2.25",)
    assert causes(TEXT, [0, 1_000, 0, 0, 10], (), 0.0) == (CONSTANT,)
    almost = Reference("t", CHI_SQUARED, TEXT.bins, (990, 5, 5, 0, 0), ())
    assert causes(almost, [1_000, 0, 0, 0, 0], (), 0.0) == (DATA,)


def test_a_number_that_most_were_is_no_broken_gauge() -> None:
    rain = (*[0.0] * 8, 0.1, 0.4, 2.0)
    dry = Reference("x", PSI, Bins((0.0, 0.1, 0.4)), (4_400, 100, 300, 200, 0), rain)
    assert causes(dry, [1_000, 0, 0, 0, 0], [0.0] * 11, 0.0) == (DATA,)
    assert causes(dry, [0, 1_000, 0, 0, 0], [0.1] * 11, 0.0) == (CONSTANT,)
    assert causes(dry, [0, 40, 0, 0, 960], [0.1] * 11, 0.0) == (NULLS,)  # of 40 there is little to tell


def test_a_new_category() -> None:
    assert causes(TEXT, [450, 300, 150, 60, 40], (), 0.0) == (NEW_CATEGORY,)
    assert causes(TEXT, [500, 300, 150, 12, 40], (), 0.0) == (DATA,)  # more of them, and still rare


def test_a_stale_group_is_named_beside_what_else_is_found() -> None:
    assert number(np.zeros(1_000), stale=0.5) == (CONSTANT, STALE)
    assert number(RANDOM.lognormal(3, 0.5, 1_000), stale=0.05) == (DATA,)


def test_silent_entities_are_named_those_most_asked_about_first() -> None:
    held = [*[100] * 10, 20]
    few = {"JFK": 0.04, "EWR": 0.05}
    assert causes(NUMBER, held, deciles(HELD), 0.0, few) == (DATA,)
    assert causes(NUMBER, held, deciles(HELD), 0.0, {**few, "LGA": 0.02}) == (f"{SILENT}: EWR, JFK, LGA",)
    many = {f"N{i}": 0.1 - i / 100 for i in range(5)}
    assert causes(NUMBER, held, deciles(HELD), 0.0, many) == (f"{SILENT}: N0, N1, N2 and 2 more",)


def test_nothing_but_missing_values_has_no_other_cause() -> None:
    assert causes(NUMBER, [*[0] * 10, 1_000], [], 0.0) == (NULLS,)
    assert causes(TEXT, [0, 0, 0, 0, 1_000], (), 0.0) == (NULLS,)


def test_a_feature_looks_broken_where_any_rule_speaks_of_it() -> None:
    assert not broken((DATA,))
    assert not broken([DATA])  # as an alert's evidence has it
    assert broken((NULLS,))
    assert broken(["scaled by 60", STALE])
