"""What a run of load came to: a table, a picture, figures for machines."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import vl_convert as vlc
from numpy.typing import NDArray
from rich.table import Column, Table

from augury.load.recorder import Summary
from augury.page import write_page

_POINTS = 400
_BINS = 60
_MOST = 1e5  # the curve ends where one of so many answers was slower


def summary_table(summary: Summary) -> Table:
    """Give the table of a run."""
    table = Table("", Column("", justify="right"), show_header=False)
    for name, value in _rows(summary):
        table.add_row(name, value)
    return table


def write_picture(path: Path, title: str, summary: Summary, latencies_ms: NDArray[np.float64]) -> None:
    """Write the latencies (n,) of a run: to `.svg` a picture alone, to any other file a page with figures."""
    chart = _chart(latencies_ms)
    if path.suffix == ".svg":
        path.write_text(vlc.vegalite_to_svg(chart.to_dict()), encoding="utf-8")
        return
    caption = (
        "Above, how slow the slower half was, the slowest of ten, of a hundred and so on; below, all answers."
    )
    complaints = [f"{count:,} × {kind}" for kind, count in summary.errors.items()]
    write_page(path, title, "Every request was answered.", complaints, [(chart, caption)], _rows(summary))


def _rows(summary: Summary) -> list[Sequence[str]]:
    rows = [(name, f"{value:,.2f} ms") for name, value in summary.ms.items()]
    rows += [
        ("answers", f"{summary.answered:,}"),
        ("answers a second", f"{summary.per_second:,.1f}"),
        ("seconds", f"{summary.seconds:,.1f}"),
        ("errors", f"{sum(summary.errors.values()):,}"),
    ]
    return [*rows, *((f"  {kind}", f"{count:,}") for kind, count in sorted(summary.errors.items()))]


def _chart(latencies_ms: NDArray[np.float64]) -> Any:  # noqa: ANN401 (altair has no type for both kinds)
    count = len(latencies_ms)
    one_of = np.geomspace(1, min(max(count, 2), _MOST), _POINTS)[: _POINTS if count else 0]
    curve = pd.DataFrame({"of": one_of, "ms": np.quantile(latencies_ms, 1 - 1 / one_of) if count else []})
    labels = "'p' + format(100 - 100 / datum.value, '~f')"
    ticks = [1, 2, 10, 100, 1_000, 10_000, 100_000]
    of = alt.X(
        "of:Q",
        scale=alt.Scale(type="log"),
        title="percentile",
        axis=alt.Axis(values=ticks, labelExpr=labels),
    )
    line = alt.Chart(curve).mark_line(color="#2b6cb0").encode(x=of, y=alt.Y("ms:Q", title="milliseconds"))
    low, high = max(latencies_ms.min(initial=1e4), 1e-3), max(latencies_ms.max(initial=0.0), 2e-3)
    edges = np.geomspace(low, high * 1.0001, _BINS + 1)
    counts = np.histogram(latencies_ms, edges if count else _BINS)[0]
    bars = pd.DataFrame({"from": edges[:-1], "to": edges[1:], "answers": counts})
    spread = (
        alt.Chart(bars)
        .mark_bar(color="#2b6cb0")
        .encode(
            x=alt.X("from:Q", scale=alt.Scale(type="log"), title="milliseconds"),
            x2="to:Q",
            y=alt.Y("answers:Q", title="answers"),
        )
    )
    return alt.vconcat(line.properties(width=640, height=240), spread.properties(width=640, height=160))
