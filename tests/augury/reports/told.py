"""What is asked of every page, and windows to draw."""

import re
from html.parser import HTMLParser

from augury.reports.drift import Feature, Watch
from tests.warehouse.reported import DAY, START
from warehouse.reports import Distribution, DriftWindow

_VOID = {"meta", "link", "img", "br", "hr", "input"}
_LOADING = {"src", "href", "srcset", "action", "data", "poster", "xlink:href", "background"}


class Parsed(HTMLParser):
    """A page, read strictly: `problems` are elements that were left open, and references to anything.

    `tables` have their rows' cells, `texts` all that is written.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.problems: list[str] = []
        self.tags: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        self.problems += [f"{tag} is left open" for tag in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.problems += [f"{tag} has {name}={value}" for name, value in attrs if name in _LOADING]
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.problems.append(f"{tag} ends what it did not begin")

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if {"td", "th"} & set(self._open):
            self.tables[-1][-1][-1] += data

    def row(self, first: str) -> list[str]:
        """Give the cells of the one row that begins with a text."""
        (found,) = [cells for table in self.tables for cells in table if cells[0] == first]
        return found


def checked(text: str) -> Parsed:
    """Parse a page that is well-formed, loads nothing, and states each colour for light and for dark."""
    parsed = Parsed(text)
    assert parsed.problems == []
    assert not re.search(r"https?:|url\(|@import|<link|<img|<iframe|fetch\(|XMLHttpRequest", text)
    light, dark = text.split("@media (prefers-color-scheme: dark)", 1)
    stated = set(re.findall(r"--(\w+): #", light))
    again = set(re.findall(r"--(\w+): #", dark[: dark.index("} }")]))
    assert stated == again
    assert set(re.findall(r"var\(--(\w+)\)", text)) <= stated
    return parsed


def drift_window(name: str, day: int, psi: float, drifted: bool) -> DriftWindow:
    """Give what a day's window says of a feature."""
    q = 0.001 if drifted else 0.7
    return DriftWindow(
        policy="plain.v1/late",
        model_name="late",
        model_version=1,
        subject="plain.v1",
        feature=name,
        method="psi",
        window_start=START + day * DAY,
        window_end=START + (day + 1) * DAY,
        n=1_234,
        n_reference=10_000,
        psi=psi,
        effect_size=psi / 2,
        p_value=q / 2,
        q_value=q,
        threshold=0.0167,
        drifted=drifted,
        missing_share=0.02,
        missing_share_reference=0.01,
        causes=("scaled by 1.8",) if drifted else (),
    )


def watch(features: int, days: int, drawn: int = 12) -> Watch:
    """Give a policy's features, of which as many stand out as are `drawn`."""
    share = [0.09] * 10 + [0.1]
    found = []
    for n in range(features):
        name = f"weather.temperature_mean_{n}d"
        windows = [drift_window(name, day, (day * n % 37) / 100, day % 9 == n) for day in range(days)]
        edges = [float(edge) for edge in range(9)]
        bins = Distribution(name, windows[-1].window_end, edges, [], share, share[::-1])
        found.append(Feature(name, windows, bins if n < drawn else None))
    return Watch("plain.v1/late", "the rule", False, found)
