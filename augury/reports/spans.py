"""Stretches of time in rows, and intervals beside each other."""

from collections.abc import Sequence
from dataclasses import dataclass

from augury.page import Markup
from augury.reports import svg
from augury.reports.scales import Scale, day, times

_WIDTH, _NAMES, _ROW, _FOOT = 860, 110, 24, 20


@dataclass(frozen=True)
class Span:
    """A stretch [start, end) in ms of the row of a name."""

    name: str
    start: int
    end: int
    colour: str = "mark"


def timeline(spans: Sequence[Span], told: str) -> Markup:
    """Draw spans, a row for each name in the order in which names come."""
    names = list(dict.fromkeys(span.name for span in spans))
    low, high = min(s.start for s in spans), max(s.end for s in spans)
    x = Scale(low, max(high, low + 1), _NAMES, _WIDTH - 2)
    foot = len(names) * _ROW
    parts = []
    for time in times(low, high):
        parts += [svg.rule(x(time), 0, x(time), foot), svg.text(x(time), foot + 14, day(time), "middle")]
    for row, name in enumerate(names):
        parts.append(svg.text(_NAMES - 8, row * _ROW + 16, name, "end", "ink"))
        for span in spans:
            if span.name == name:
                wide = max(x(span.end) - x(span.start), 2)  # a reign of a moment is seen too
                parts.append(svg.path(svg.box(x(span.start), row * _ROW + 4, wide, 16), fill=span.colour))
    return svg.picture(_WIDTH, foot + _FOOT, told, *parts)


def interval(low: float, value: float, high: float, scale: Scale, limit: float, told: str) -> Markup:
    """Draw an interval around a value, with a thin line at 0 and a dashed one at `limit`."""
    height = 16
    wide = max(scale.start, scale.end)
    parts = [svg.rule(scale(0), 0, scale(0), height)]
    parts.append(svg.rule(scale(limit), 0, scale(limit), height, "bad", dashed=True))
    parts.append(svg.path(f"M{scale(low):.1f} 8H{scale(high):.1f}", stroke="mark", stroke_width=2))
    dot = f"M{scale(value):.1f} 8h0"
    parts.append(svg.path(dot, stroke="mark", stroke_width=7, stroke_linecap="round"))
    return svg.picture(wide, height, told, *parts)
