"""Predicted against observed."""

from collections.abc import Sequence

from augury.page import Markup
from augury.reports import svg
from augury.reports.scales import Scale, short, spanning, ticks

_SIDE, _LEFT, _FOOT = 280, 48, 36


def calibration(predicted: Sequence[float], observed: Sequence[float], told: str) -> Markup:
    """Draw a dot for each mean prediction, as high as what came true; on the dashed line they are equal."""
    width = _LEFT + _SIDE
    across = spanning([*predicted, *observed], _LEFT, width)
    upright = Scale(across.low, across.high, _SIDE, 0)
    parts = []
    for value in ticks(across):
        parts += [svg.rule(_LEFT, upright(value), width, upright(value))]
        parts += [svg.text(_LEFT - 6, upright(value) + 4, short(value), "end")]
        parts += [svg.text(across(value), _SIDE + 14, short(value), "middle")]
    parts.append(svg.rule(_LEFT, _SIDE, width, 0, "quiet", dashed=True))
    dots = (f"M{across(x):.1f} {upright(y):.1f}h0" for x, y in zip(predicted, observed, strict=True))
    parts.append(svg.path("".join(dots), stroke="mark", stroke_width=9, stroke_linecap="round"))
    parts.append(svg.text(_LEFT + _SIDE / 2, _SIDE + 30, "mean prediction", "middle"))
    return svg.picture(width + 20, _SIDE + _FOOT, told, *parts)
