"""A self-contained HTML page: text, pictures, tables that sort, in light and in dark. It loads nothing."""

import html
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import vl_convert as vlc

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2330; --quiet: #566072; --paper: #fcfcfa; --line: #d9dce3;
  --mark: #1f5fa8; --other: #b4610c; --past: #a7aebb; --bad: #b3261e; --good: #1c7c4a;
  --h0: #e9edf4; --h1: #c9dcf0; --h2: #98bfe2; --h3: #5a98cc; --h4: #2a69a6; --h5: #0c3a70; }
@media (prefers-color-scheme: dark) { :root { --ink: #e7e9ee; --quiet: #a3acbb; --paper: #171a21;
  --line: #363c48; --mark: #7db6ee; --other: #f0a55c; --past: #6b7484; --bad: #ff8a80; --good: #6fd09c;
  --h0: #232936; --h1: #27415f; --h2: #2e6191; --h3: #4a8fc4; --h4: #8cc3e8; --h5: #dff0fc; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.5rem; border-top: 1px solid var(--line); padding-top: 1rem; }
h3 { margin: 1.5rem 0 .3rem; font-size: 1rem; }
p, li { max-width: 46rem; }
figure { margin: 1rem 0; overflow-x: auto; }
figure svg { max-width: none; }
figure.plain { background: #fff; color: #1c2330; padding: 1rem; border-radius: 8px;
  border: 1px solid var(--line); }
figcaption, .quiet { font-size: .85rem; color: var(--quiet); }
.scroll { overflow: auto; max-height: 40rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(18rem, 1fr)); gap: 1rem 2rem; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { border-top: 1px solid var(--line); padding: .2rem .8rem .2rem 0; text-align: left;
  vertical-align: top; }
thead th { position: sticky; top: 0; background: var(--paper); border: 0; white-space: nowrap; }
th button { all: unset; cursor: pointer; font-weight: 600; }
th button:focus-visible { outline: 2px solid var(--mark); }
th[aria-sort] button::after { content: " ▾"; }
th[aria-sort=ascending] button::after { content: " ▴"; }
td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: .8rem; margin: .3rem 0; }
td.t { white-space: nowrap; }
svg { display: block; max-width: 100%; height: auto; }
td svg { max-width: none; }
svg text { font: 11px system-ui, sans-serif; fill: var(--quiet); }
.bad { color: var(--bad); }
"""
_SCRIPT = """
document.querySelectorAll("th button").forEach(button => button.onclick = () => {
  const head = button.parentNode, body = head.closest("table").tBodies[0], at = head.cellIndex;
  const up = head.getAttribute("aria-sort") === "descending";
  for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  const key = row => row.cells[at].textContent.replace(/,/g, "");
  const number = text => text === "" ? -Infinity : parseFloat(text);
  const texts = [...body.rows].map(key);
  const plain = texts.every(text => /^(-?[\\d.]+(e[-+]?\\d+)?( ?[%a-z]{1,2})?)?$/i.test(text));
  const order = (a, b) => plain ? number(key(a)) - number(key(b)) : key(a).localeCompare(key(b));
  body.append(...[...body.rows].sort((a, b) => up ? order(a, b) : order(b, a)));
});
"""
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Augury: {title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{style}</style></head><body>
<h1>{title}</h1>
{body}
<script>{script}</script></body></html>
"""


def standalone(drawn: "Markup") -> str:
    """Give the picture in a part of a page as an SVG file of its own, in the page's colours and themes."""
    end = "</svg>"
    text = drawn[drawn.index("<svg") : drawn.rindex(end) + len(end)]
    opened, closed, rest = text.partition(">")
    style = f"<style>{_STYLE}svg {{ background: var(--paper); }}</style>"
    return f'{opened} xmlns="http://www.w3.org/2000/svg"{closed}{style}{rest}'


_NUMBER = re.compile(r"-?[\d,.]+(e[-+]?\d+)?( ?[%a-zA-Z]{1,2})?")
"""What is set and sorted as a number; a unit may follow."""

_TIME = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d)?")


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def page(title: str, parts: Iterable[Markup]) -> str:
    """Give a page under a plain title."""
    body = "\n".join(parts)
    return _PAGE.format(title=html.escape(title), style=_STYLE, body=body, script=_SCRIPT)


def element(tag: str, *parts: str, **attributes: object) -> Markup:
    """Give an element. Plain text is escaped; `class_` is written as class, and None not at all."""
    named = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{tag}{named}>{''.join(map(_escaped, parts))}</{tag}>")


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Markup:
    """Give a table whose columns sort, but for those under markup; numbers stand to the right."""
    heads = (h if isinstance(h, Markup) else element("button", h) for h in headings)
    head = element("thead", element("tr", *(element("th", h) for h in heads)))
    return element("div", element("table", head, element("tbody", _lines(rows))), class_="scroll")


def figure(picture: Markup, caption: str) -> Markup:
    """Give a picture with a plain caption."""
    return element("figure", picture, element("figcaption", caption))


def write_page(
    path: Path,
    title: str,
    verdict: str,
    complaints: Sequence[str],
    pictures: Iterable[tuple[Any, str]],
    rows: Iterable[Sequence[str]],
) -> None:
    """Write a page: `pictures` are Altair charts, or SVG, with captions, `rows` the table's.

    `verdict` stands where there are no `complaints`. All texts are plain.
    """
    said = element("p", verdict)
    if complaints:
        said = element("ul", *(element("li", complaint) for complaint in complaints), class_="bad")
    figures = [_drawn(picture, caption) for picture, caption in pictures]
    parts = [said, *figures, element("h2", "What was measured"), element("table", _lines(rows))]
    path.write_text(page(title, parts), encoding="utf-8")


def _drawn(picture: Any, caption: str) -> Markup:  # noqa: ANN401
    if isinstance(picture, Markup):
        return figure(picture, caption)
    svg = Markup(vlc.vegalite_to_svg(picture.to_dict()))
    return element("figure", svg, element("figcaption", caption), class_="plain")


def _lines(rows: Iterable[Sequence[str]]) -> Markup:
    return Markup("".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows))


def _cell(text: str) -> str:
    kind = " class=n" if _NUMBER.fullmatch(text) else " class=t" if _TIME.fullmatch(text) else ""
    return f"<td{kind}>{_escaped(text)}</td>"


def _escaped(text: str) -> str:
    return text if isinstance(text, Markup) else html.escape(text)
