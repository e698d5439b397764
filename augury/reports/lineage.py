"""Where something comes from, from left to right."""

from collections.abc import Sequence

from augury.page import Markup
from augury.reports import svg

_WIDE, _HIGH, _GAP, _BETWEEN = 190, 40, 10, 44
_LETTERS = 28


def lineage(steps: Sequence[Sequence[tuple[str, str]]], told: str) -> Markup:
    """Draw boxes of a kind and a name: a column for each step, whose boxes are tied to all of the next."""
    high = max(len(step) for step in steps) * (_HIGH + _GAP) - _GAP
    parts: list[Markup] = []
    before: list[float] = []
    for place, step in enumerate(steps):
        x = place * (_WIDE + _BETWEEN)
        top = (high - len(step) * (_HIGH + _GAP) + _GAP) / 2
        middles = [top + n * (_HIGH + _GAP) + _HIGH / 2 for n in range(len(step))]
        for start in before:
            for end in middles:
                bend = _BETWEEN / 2
                tie = f"M{x - _BETWEEN:g} {start:g}C{x - bend:g} {start:g} {x - bend:g} {end:g} {x:g} {end:g}"
                parts.append(svg.path(tie, stroke="quiet"))
        for (kind, name), middle in zip(step, middles, strict=True):
            y = middle - _HIGH / 2
            parts.append(svg.path(svg.box(x + 0.5, y + 0.5, _WIDE - 1, _HIGH - 1), fill="h0", stroke="line"))
            parts.append(svg.text(x + 10, y + 16, kind))
            shown = name if len(name) <= _LETTERS else name[: _LETTERS - 1] + "…"
            parts.append(svg.text(x + 10, y + 31, shown, colour="ink"))
        before = middles
    return svg.picture(len(steps) * (_WIDE + _BETWEEN) - _BETWEEN, high, told, *parts)
