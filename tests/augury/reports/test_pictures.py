import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augury.reports import svg
from augury.reports.calibration import calibration
from augury.reports.distributions import histogram, levels
from augury.reports.heat_map import heat_map
from augury.reports.lineage import lineage
from augury.reports.lines import Course, chart, spark
from augury.reports.scales import Scale, day, spanning, ticks, times
from augury.reports.spans import Span, timeline
from tests.warehouse.reported import DAY, HOUR, START

numbers = st.floats(-1e9, 1e9)


@given(st.lists(numbers, min_size=1))
def test_a_scale_has_room_for_all_its_values_and_round_ticks_within_it(values: list[float]) -> None:
    scale = spanning(values, 0, 100)
    assert all(-1e-6 <= scale(value) <= 100 + 1e-6 for value in values)
    found = ticks(scale)
    assert 1 <= len(found) <= 9
    slack = (scale.high - scale.low) * 1e-9
    assert all(scale.low - slack <= tick <= scale.high + slack for tick in found)


@given(st.integers(0, 10**13), st.integers(1, 10**12))
def test_times_are_round_and_few(low: int, length: int) -> None:
    found = times(low, low + length)
    assert all(low <= time <= low + length and time % HOUR == 0 for time in found)
    assert len(found) <= 9 or length > 9 * 364 * DAY


def test_a_day_is_told_with_its_hour_only_where_it_has_one() -> None:
    assert day(START) == "2013-01-02"
    assert day(START + 5 * HOUR) == "01-02 05:00"


def test_a_line_has_gaps_where_there_is_no_value() -> None:
    assert svg.line([(0, 1), (1, 2), (2, None), (3, 4)]) == "M0 1h0L1 2M3 4h0"
    assert svg.line([(0, None)]) == ""


def test_a_single_value_has_a_place() -> None:
    assert math.isfinite(Scale(1, 1, 0, 10)(1))
    assert "M" in spark([1.0], "one")
    assert spark([None], "none").count("<path") == 1


def test_a_limit_is_drawn_where_it_is_in_reach() -> None:
    assert "stroke-dasharray" in spark([0.1, 0.5], "psi", limit=0.25)
    assert "stroke-dasharray" not in spark([0.1, 0.2], "psi", limit=0.25)


@pytest.mark.parametrize(("value", "shade"), [(0.0, 0), (0.1, 1), (0.2, 1), (0.25, 2), (9.0, 2)])
def test_a_cell_has_the_shade_of_the_limits_that_it_reaches(value: float, shade: int) -> None:
    drawn = heat_map(["f"], ["d"], [[value]], [[False]], [0.1, 0.25], "one cell")
    cell = svg.box(230, 0, 15, 15)
    assert f'd="{cell}" fill="var(--h{shade})"' in drawn
    assert "stroke" not in drawn


def test_what_drifted_has_a_dot_and_what_is_missing_no_cell() -> None:
    drawn = heat_map(["f"], ["a", "b"], [[None, 0.3]], [[False, True]], [0.1], "two cells")
    assert drawn.count("h15v15") == 1
    assert drawn.count("stroke-linecap") == 2


def test_heights_are_shares_of_the_largest() -> None:
    drawn = histogram([1.0], [0.5, 0.5, 0.0], [0.25, 0.75, 0.0], "shares")
    assert drawn.count("v96") == 1  # three quarters are the largest
    assert drawn.count("v64") == 2
    assert drawn.count("v32") == 1


def test_of_many_levels_those_that_moved_are_shown() -> None:
    names = [f"l{n}" for n in range(20)]
    past = [0.05] * 20 + [0.0, 0.0]
    now = [0.0, *past[1:20], 0.05, 0.0]
    drawn = levels(names, past, now, "levels")
    assert ">l0<" in drawn
    assert ">(others)<" in drawn
    assert drawn.count("<path") == 16


def test_a_chart_has_band_dots_and_limits() -> None:
    course = Course("AUC", [0, DAY, 2 * DAY], [0.7, None, 0.6], low=[0.6, None, 0.5], high=[0.8, None, 0.7])
    drawn = chart([course], "AUC", [("holdout", 0.71)])
    assert 'opacity="0.18"' in drawn
    assert "holdout 0.71" in drawn
    assert 'stroke="var(--bad)" stroke-width="8"' not in drawn
    marked = Course("AUC", [0, DAY], [0.7, 0.6], marks=[False, True])
    assert 'stroke="var(--bad)" stroke-width="8"' in chart([marked], "AUC")


def test_few_points_have_dots_and_many_have_none() -> None:
    few, many = (Course("lag", range(n), [1.0] * n) for n in (1, 100))
    assert 'stroke-width="5"' in chart([few], "lag")
    assert 'stroke-width="5"' not in chart([many], "lag")


def test_a_timeline_has_a_row_for_each_name_and_shows_a_moment_too() -> None:
    drawn = timeline([Span("v1", 0, DAY), Span("v2", DAY, DAY), Span("v1", DAY, 3 * DAY)], "reigns")
    assert drawn.count(">v1<") == drawn.count(">v2<") == 1
    assert drawn.count("h2v16") == 1
    assert drawn.count("<path") == drawn.count("v16") + drawn.count('stroke="var(--line)"')


def test_steps_are_tied_to_all_of_the_next() -> None:
    drawn = lineage([[("group", "a"), ("group", "b"), ("code", "c")], [("training set", "t@1")]], "lineage")
    assert drawn.count("C") == 3
    assert ">t@1<" in drawn


def test_equal_means_lie_on_the_dashed_line() -> None:
    drawn = calibration([0.1, 0.9], [0.1, 0.9], "means")
    dots = re.findall(r"M([\d.]+) ([\d.]+)h0", drawn)
    assert len(dots) == 2
    assert all(float(x) - 48 == pytest.approx(280 - float(y), abs=0.2) for x, y in dots)
