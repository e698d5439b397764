"""A self-contained HTML page of pictures and a table, for reports."""

import html
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import vl_convert as vlc

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Augury: {title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root {{ color-scheme: light dark; --ink: #1c2330; --paper: #fcfcfa; --line: #d9dce3; }}
@media (prefers-color-scheme: dark) {{ :root {{ --ink: #e7e9ee; --paper: #171a21; --line: #363c48; }} }}
body {{ font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }}
figure {{ margin: 2rem 0; background: #fff; color: #1c2330; padding: 1rem; border-radius: 8px;
  border: 1px solid var(--line); overflow-x: auto; }}
figcaption {{ margin-top: .5rem; font-size: .9rem; }}
table {{ border-collapse: collapse; }}
td {{ border-top: 1px solid var(--line); padding: .2rem .8rem .2rem 0; }}
td + td {{ text-align: right; font-variant-numeric: tabular-nums; }}
.bad {{ color: #c0392b; }}
</style></head><body>
<h1>{title}</h1>
{verdict}
{pictures}
<h2>What was measured</h2><table>{rows}</table>
</body></html>
"""


def write_page(
    path: Path,
    title: str,
    verdict: str,
    complaints: Sequence[str],
    pictures: Iterable[tuple[Any, str]],
    rows: Iterable[Sequence[str]],
) -> None:
    """Write a page: `pictures` are Altair charts with captions, `rows` the table's.

    `verdict` stands where there are no `complaints`. All texts are plain.
    """
    said = f"<p>{html.escape(verdict)}</p>"
    if complaints:
        said = "<ul class=bad>" + "".join(f"<li>{html.escape(c)}</li>" for c in complaints) + "</ul>"
    figures = "".join(
        f"<figure>{vlc.vegalite_to_svg(chart.to_dict())}<figcaption>{html.escape(caption)}</figcaption></figure>"
        for chart, caption in pictures
    )
    cells = ("".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in rows)
    table = "".join(f"<tr>{row}</tr>" for row in cells)
    page = _PAGE.format(title=html.escape(title), verdict=said, pictures=figures, rows=table)
    path.write_text(page, encoding="utf-8")
