"""The picture of a trial: its confidence sequence over its units, as SVG for light and dark themes."""

import html
import math
from collections.abc import Sequence

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM, _RIGHT = 720, 320, 64, 40, 36, 12
_STYLE = (
    "svg{--ink:#1c2330;--paper:#fcfcfa;--band:#2b6cb0;--rule:#c0392b}"
    "@media(prefers-color-scheme:dark){svg{--ink:#e7e9ee;--paper:#171a21;--band:#6ea8e0;--rule:#ff8a75}}"
    "text{font:12px system-ui,sans-serif;fill:var(--ink)}"
)

Point = Sequence[float]
"""Units so far, the estimate, and its lower and upper bounds."""


def draw(points: Sequence[Point], target: float, what: str, title: str) -> str:
    """Draw the estimate of `what` with its bounds; the challenger is better where they are above `target`.

    Bounds that are not finite are left out, and so are those that would hide the rest.
    """
    shown = [p for p in points if all(map(math.isfinite, p))]
    if not shown:
        return _svg(f'<text x="{_LEFT}" y="{_HEIGHT / 2}">no bounds yet</text>', title)
    tail = shown[len(shown) // 10 :]  # the first bounds are wide
    low = min(target, *(p[2] for p in tail))
    high = max(target, *(p[3] for p in tail))
    pad = 0.05 * (high - low) or 1.0
    low, high, most = low - pad, high + pad, shown[-1][0]

    def x(n: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * n / most

    def y(value: float) -> float:
        share = (min(max(value, low), high) - low) / (high - low)
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * share

    def path(pairs: Sequence[tuple[float, float]]) -> str:
        return " ".join(f"{x(n):.1f},{y(v):.1f}" for n, v in pairs)

    band = [(p[0], p[3]) for p in shown] + [(p[0], p[2]) for p in reversed(shown)]
    parts = [
        f'<polygon points="{path(band)}" fill="var(--band)" fill-opacity=".25"/>',
        f'<polyline points="{path([(p[0], p[1]) for p in shown])}" fill="none" stroke="var(--band)" '
        'stroke-width="2"/>',
        f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(target):.1f}" y2="{y(target):.1f}" '
        'stroke="var(--rule)" stroke-dasharray="5 4"/>',
        *(_label(_LEFT - 6, y(v) + 4, f"{v:.3g}", "end") for v in (low + pad, target, high - pad)),
        *(_label(x(n), _HEIGHT - 18, f"{n:,.0f}", "end") for n in (most / 2, most)),
        _label(_LEFT, _HEIGHT - 4, "labelled units, in order of assignment", "start"),
        _label(_LEFT, _TOP - 6, what, "start"),
    ]
    return _svg("".join(parts), title)


def _label(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(text)}</text>'


def _svg(body: str, title: str) -> str:
    said = html.escape(title)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{said}"><style>{_STYLE}</style>'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" rx="8" fill="var(--paper)"/>'
        f'<text x="{_LEFT}" y="16" font-weight="600">{said}</text>{body}</svg>\n'
    )
