"""A comparison of two versions, as a page with the distribution of each feature."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd

from augury.page import write_page
from warehouse.compare import LEVELS, Comparison, Contrast, Profile

HEADINGS = ("feature", "same", "mean", "moved by", "at most", "NULL", "distance")


def write_comparison(path: Path, found: Comparison) -> None:
    """Write the page: a distribution function of each numeric feature in both versions, and the table."""
    charts = [(_chart(found, c), f"{c.name}: {_told(found, c)}") for c in found.features if _drawn(c)]
    write_page(
        path,
        f"{found.before} and {found.after}",
        f"{found.joined:,} events joined; all shared features are equal at {found.same:,} of them.",
        [] if found.joined else ["Nothing was compared."],
        charts,
        [HEADINGS, *(contrast_row(found, contrast) for contrast in found.features)],
    )


def contrast_row(found: Comparison, contrast: Contrast) -> tuple[str, ...]:
    """Spell one feature under `HEADINGS`."""
    sides = (contrast.before, contrast.after)
    return (
        contrast.name,
        _told(found, contrast),
        " -> ".join(_number(None if side is None else side.mean) for side in sides),
        _number(contrast.mean_difference),
        _number(contrast.max_difference),
        " -> ".join("" if side is None else f"{side.nulls:,}" for side in sides),
        _number(contrast.distance),
    )


def _told(found: Comparison, contrast: Contrast) -> str:
    if contrast.before is None:
        return f"only in {found.after}"
    if contrast.after is None:
        return f"only in {found.before}"
    same = f"{contrast.same:,} of {found.joined:,}"
    types = (contrast.before.type, contrast.after.type)
    return same if types[0] is types[1] else f"{same}, {types[0]} -> {types[1]}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _drawn(contrast: Contrast) -> bool:
    return any(side is not None and side.quantiles for side in (contrast.before, contrast.after))


def _chart(found: Comparison, contrast: Contrast) -> Any:  # noqa: ANN401
    frame = pd.DataFrame(
        [
            *_points(found.before, contrast.before),
            *_points(found.after, contrast.after),
        ],
        columns=["version", "value", "share"],
    )
    return (
        alt.Chart(frame)
        .mark_line(interpolate="step-after")
        .encode(
            x=alt.X("value:Q", title=contrast.name, scale=alt.Scale(zero=False)),
            y=alt.Y("share:Q", title="share at most", axis=alt.Axis(format="%")),
            color=alt.Color("version:N", title=None),
            strokeDash=alt.StrokeDash("version:N", title=None),  # where the two coincide, both are seen
            order="share:Q",
        )
        .properties(width=640, height=220)
    )


def _points(label: str, profile: Profile | None) -> Iterator[tuple[str, float, float]]:
    if profile is not None and profile.quantiles:
        for value, share in zip(profile.quantiles, LEVELS, strict=True):
            yield label, value, share
