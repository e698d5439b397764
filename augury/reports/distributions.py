"""Two distributions over the same bins beside each other."""

from collections.abc import Sequence

from augury.page import Markup
from augury.reports import svg
from augury.reports.scales import short

_WIDTH, _HEIGHT, _FOOT, _HEAD = 280, 96, 16, 4
_MOST_LEVELS, _LEVEL = 8, 18
_LETTERS = 14


def histogram(edges: Sequence[float], past: Sequence[float], now: Sequence[float], told: str) -> Markup:
    """Draw the shares of a number's bins, `len(edges) + 2` of them; the last is of missing values."""
    wide = _WIDTH / len(past)
    top = max(*past, *now, 1e-9)
    sides = []
    for place, shares in enumerate((past, now)):
        heights = [share / top * _HEIGHT for share in shares]
        boxes = (
            svg.box(n * wide + wide * (0.1 + 0.4 * place), _HEAD + _HEIGHT - h, wide * 0.4, h)
            for n, h in enumerate(heights)
            if h
        )
        sides.append(svg.path("".join(boxes), fill=("past", "mark")[place]))
    foot = _HEAD + _HEIGHT
    every = -(-len(edges) // 5) or 1
    last = _WIDTH - 65  # what is right of it would touch the word of the last bin
    names = [
        svg.text((n + 1) * wide, foot + 12, short(edge), "middle")
        for n, edge in enumerate(edges)
        if n % every == 0 and (n + 1) * wide <= last
    ]
    missing = [svg.text(_WIDTH, foot + 12, "missing", "end")]
    axis = svg.rule(0, foot, _WIDTH, foot)
    return svg.picture(_WIDTH, foot + _FOOT, told, *sides, axis, *names, *missing)


def levels(names: Sequence[str], past: Sequence[float], now: Sequence[float], told: str) -> Markup:
    """Draw the shares of categories, of others and of missing ones: those that changed the most."""
    named = [*names, "(others)", "(missing)"]
    moved = sorted(range(len(named)), key=lambda n: -abs(now[n] - past[n]))[:_MOST_LEVELS]
    shown = sorted(moved, key=lambda n: -max(past[n], now[n]))
    top = max(*past, *now, 1e-9)
    left, room = 100, _WIDTH - 190
    parts = []
    for place, n in enumerate(shown):
        y = place * _LEVEL
        name = named[n] if len(named[n]) <= _LETTERS else named[n][: _LETTERS - 1] + "…"
        parts += [
            svg.text(left - 6, y + 12, name, "end", "ink"),
            svg.path(svg.box(left, y + 2, past[n] / top * room, 6), fill="past"),
            svg.path(svg.box(left, y + 8, now[n] / top * room, 6), fill="mark"),
            svg.text(left + max(past[n], now[n]) / top * room + 5, y + 12, f"{past[n]:.1%} → {now[n]:.1%}"),
        ]
    return svg.picture(_WIDTH, len(shown) * _LEVEL + 2, told, *parts)
