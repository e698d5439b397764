"""Courses over time: small ones for tables, and charts with axes."""

from collections.abc import Sequence
from dataclasses import dataclass

from augury.page import Markup, element
from augury.reports import svg
from augury.reports.scales import Scale, day, short, spanning, ticks, times

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _FOOT = 860, 220, 56, 8, 20
_FEW = 40
"""Up to so many points each is a dot."""


@dataclass(frozen=True)
class Course:
    """One line: a value, or None, at each time (ms), in a colour of the page.

    `low` and `high` bound a band around it; the points of `marks` have a dot.
    """

    name: str
    times: Sequence[int]
    values: Sequence[float | None]
    colour: str = "mark"
    dashed: bool = False
    low: Sequence[float | None] = ()
    high: Sequence[float | None] = ()
    marks: Sequence[bool] = ()


def spark(
    values: Sequence[float | None], told: str, limit: float | None = None, width: int = 110, height: int = 20
) -> Markup:
    """Draw values as a small line from 0 up; a dashed line is at `limit` where it is in reach."""
    known = [value for value in values if value is not None]
    scale = Scale(0, max([*known, 1e-12]), height - 2, 2)
    wide = (width - 6) / max(len(values) - 1, 1)
    points = [(3 + n * wide, None if v is None else scale(v)) for n, v in enumerate(values)]
    parts = [svg.path(svg.line(points), stroke="mark", stroke_width=1.5, stroke_linecap="round")]
    if limit is not None and limit <= scale.high:
        parts.append(svg.rule(0, scale(limit), width, scale(limit), "bad", dashed=True))
    return svg.picture(width, height, told, *parts)


def chart(
    courses: Sequence[Course], told: str, limits: Sequence[tuple[str, float]] = (), zero: bool = False
) -> Markup:
    """Draw courses over time, with axes, a legend, and dashed lines at `limits`; from 0 up where it is so."""
    y = _upright(courses, [value for _, value in limits] + [0.0] * zero)
    at = [time for course in courses for time in course.times]
    x = Scale(min(at), max(at), _LEFT, _WIDTH - _RIGHT)
    parts = []
    for value in ticks(y):
        parts += [svg.rule(_LEFT, y(value), _WIDTH - _RIGHT, y(value))]
        parts += [svg.text(_LEFT - 6, y(value) + 4, short(value), "end")]
    parts += [svg.text(x(time), _HEIGHT + 14, day(time), "middle") for time in times(min(at), max(at))]
    for name, value in limits:
        parts += [svg.rule(_LEFT, y(value), _WIDTH - _RIGHT, y(value), "bad", dashed=True)]
        parts += [svg.text(_WIDTH - _RIGHT, y(value) - 4, f"{name} {short(value)}", "end", "bad")]
    for course in courses:
        parts += _drawn(course, x, y)
    return element("div", svg.picture(_WIDTH, _HEIGHT + _FOOT, told, *parts), _legend(courses))


def _upright(courses: Sequence[Course], more: Sequence[float]) -> Scale:
    known = [
        value
        for course in courses
        for values in (course.values, course.low, course.high)
        for value in values
        if value is not None
    ]
    return spanning(known, _HEIGHT - 4, 12, *more)


def _drawn(course: Course, x: Scale, y: Scale) -> list[Markup]:
    parts = []
    between = [
        (x(time), y(low), y(high))
        for time, low, high in zip(course.times, course.low, course.high, strict=False)
        if low is not None and high is not None
    ]
    if between:
        band = svg.area([(at, low) for at, low, _ in between], [(at, high) for at, _, high in between])
        parts.append(svg.path(band, fill=course.colour, opacity=0.18))
    points = [(x(t), None if v is None else y(v)) for t, v in zip(course.times, course.values, strict=True)]
    dashes = "5 4" if course.dashed else None
    drawn = svg.line(points)
    parts.append(
        svg.path(drawn, stroke=course.colour, stroke_width=2, stroke_linecap="round", stroke_dasharray=dashes)
    )
    if len(points) <= _FEW:
        every = "".join(f"M{at:.1f} {height:.1f}h0" for at, height in points if height is not None)
        parts.append(svg.path(every, stroke=course.colour, stroke_width=5, stroke_linecap="round"))
    alarms = [
        point for point, mark in zip(points, course.marks, strict=False) if mark and point[1] is not None
    ]
    dots = "".join(f"M{at:.1f} {height:.1f}h0" for at, height in alarms)
    if dots:
        parts.append(svg.path(dots, stroke="bad", stroke_width=8, stroke_linecap="round"))
    return parts


def _legend(courses: Sequence[Course]) -> Markup:
    named = [
        element("span", "▬ " + course.name + "  ", style=f"color:var(--{course.colour})")
        for course in courses
    ]
    return element("p", *named, class_="quiet")
