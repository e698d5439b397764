"""A heat map: rows by columns, each cell in one of a few shades, some with a mark."""

from collections.abc import Sequence

from augury.page import Markup
from augury.reports import svg

_CELL, _GAP, _NAMES, _FOOT = 16, 1, 230, 20
_MOST_WIDTH = 900
_LETTERS = 36


def heat_map(
    rows: Sequence[str],
    columns: Sequence[str],
    values: Sequence[Sequence[float | None]],
    marks: Sequence[Sequence[bool]],
    limits: Sequence[float],
    told: str,
) -> Markup:
    """Draw `values` (rows, columns) in shades: the n-th where n of the ascending `limits` are reached.

    None is left out, and a cell of `marks` has a dot. A legend names the limits; there may be five.
    """
    wide = min(_CELL, (_MOST_WIDTH - _NAMES) / max(len(columns), 1))
    shades: dict[int, list[str]] = {}
    dots = []
    for r, line in enumerate(values):
        for c, value in enumerate(line):
            if value is None:
                continue
            x, y = _NAMES + c * wide, r * _CELL
            shade = sum(value >= limit for limit in limits)
            shades.setdefault(shade, []).append(svg.box(x, y, wide - _GAP, _CELL - _GAP))
            if marks[r][c]:
                dots.append(f"M{x + wide / 2 - 0.5:.1f} {y + _CELL / 2 - 0.5:.1f}h0")
    foot = len(rows) * _CELL
    every = -(-len(columns) // max(1, int(len(columns) * wide / 80)))
    parts = [svg.path("".join(boxes), fill=f"h{shade}") for shade, boxes in sorted(shades.items())]
    if dots:  # a dot of two colours is seen on every shade
        for colour, size in (("ink", 8), ("paper", 5)):
            parts.append(svg.path("".join(dots), stroke=colour, stroke_width=size, stroke_linecap="round"))
    parts += [svg.text(_NAMES - 6, r * _CELL + 12, _cut(name), "end", "ink") for r, name in enumerate(rows)]
    parts += [
        svg.text(_NAMES + c * wide, foot + 14, name) for c, name in enumerate(columns) if c % every == 0
    ]
    width = max(_NAMES + len(columns) * wide + 50, _NAMES + (len(limits) + 1) * 70)
    return svg.picture(width, foot + _FOOT + 24, told, *parts, *_legend(limits, foot + _FOOT + 8))


def _legend(limits: Sequence[float], y: float) -> list[Markup]:
    parts = []
    for shade in range(len(limits) + 1):
        name = f"below {limits[0]:g}" if shade == 0 else f"{limits[shade - 1]:g}+"
        x = _NAMES + shade * 62 + (24 if shade else 0)
        parts += [svg.path(svg.box(x, y, 12, 12), fill=f"h{shade}"), svg.text(x + 16, y + 10, name)]
    return parts


def _cut(name: str) -> str:
    return name if len(name) <= _LETTERS else name[: _LETTERS - 1] + "…"
