import math
import re
from xml.etree import ElementTree

from flows.picture import draw

SVG = "{http://www.w3.org/2000/svg}"
COURSE = [(n, 0.1, 0.1 - 1 / math.sqrt(n), 0.1 + 1 / math.sqrt(n)) for n in range(10, 1_000, 10)]


def test_the_estimate_runs_within_its_bounds_towards_the_right() -> None:
    root = ElementTree.fromstring(draw(COURSE, 0.0, "improvement in brier", "m <2> & more"))
    line = [tuple(map(float, p.split(","))) for p in root.find(f"{SVG}polyline").get("points").split()]  # type: ignore[union-attr]
    band = [tuple(map(float, p.split(","))) for p in root.find(f"{SVG}polygon").get("points").split()]  # type: ignore[union-attr]
    upper, lower = band[: len(COURSE)], band[: len(COURSE) - 1 : -1]
    assert len(line) == len(COURSE)
    assert [x for x, _ in line] == sorted(x for x, _ in line)
    assert all(u[1] <= at[1] <= low[1] for u, at, low in zip(upper, line, lower, strict=True))
    assert root.get("aria-label") == "m <2> & more"


def test_it_is_read_in_light_and_in_dark() -> None:
    drawn = draw(COURSE, 0.0, "improvement", "m")
    assert "prefers-color-scheme:dark" in drawn
    assert not re.search(r'(fill|stroke)="#', drawn)  # all colours go by the theme


def test_a_trial_without_bounds_says_so() -> None:
    assert "no bounds yet" in draw([], 0.0, "improvement", "m")
    assert "no bounds yet" in draw([(1, 0.0, -math.inf, math.inf)], 0.0, "improvement", "m")
