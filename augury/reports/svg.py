"""Elements of inline SVG, in the page's own colours."""

from collections.abc import Iterable

from augury.page import Markup, element


def picture(width: float, height: float, told: str, *parts: Markup) -> Markup:
    """Give a picture of a size in pixels; `told` says what it shows to whoever cannot see it."""
    box = f"0 0 {width:g} {height:g}"
    return element(
        "svg", *parts, viewBox=box, width=f"{width:g}", height=f"{height:g}", role="img", aria_label=told
    )


def path(drawn: str, *, fill: str | None = None, stroke: str | None = None, **more: object) -> Markup:
    """Give a path; `fill` and `stroke` name colours of the page."""
    colours = {"fill": _colour(fill), "stroke": None if stroke is None else _colour(stroke)}
    return element("path", d=drawn, **colours, **more)


def text(x: float, y: float, words: str, anchor: str | None = None, colour: str | None = None) -> Markup:
    """Give text whose baseline begins, or has its `anchor` ("middle", "end"), at a place."""
    style = None if colour is None else f"fill:var(--{colour})"
    return element("text", words, x=_spell(x), y=_spell(y), text_anchor=anchor, style=style)


def line(points: Iterable[tuple[float, float | None]]) -> str:
    """Give the path of a line through points; one without a height is a gap, one between gaps a dot."""
    drawn, pen = [], False
    for x, y in points:
        if y is None:
            pen = False
            continue
        drawn.append(f"{'L' if pen else 'M'}{_spell(x)} {_spell(y)}" + ("" if pen else "h0"))
        pen = True
    return "".join(drawn)


def area(low: Iterable[tuple[float, float]], high: Iterable[tuple[float, float]]) -> str:
    """Give the path of what lies between two lines."""
    around = [*low, *reversed(list(high))]
    return "M" + "L".join(f"{_spell(x)} {_spell(y)}" for x, y in around) + "z" if around else ""


def box(x: float, y: float, width: float, height: float) -> str:
    """Give the path of a rectangle."""
    return f"M{_spell(x)} {_spell(y)}h{_spell(width)}v{_spell(height)}h{_spell(-width)}z"


def rule(x1: float, y1: float, x2: float, y2: float, colour: str = "line", dashed: bool = False) -> Markup:
    """Give a thin straight line."""
    drawn = f"M{_spell(x1)} {_spell(y1)}L{_spell(x2)} {_spell(y2)}"
    return path(drawn, stroke=colour, stroke_dasharray="4 3" if dashed else None)


def _colour(name: str | None) -> str:
    return "none" if name is None else f"var(--{name})"


def _spell(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".") or "0"
