import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from augury.page import Markup, element, page, table
from tests.augury.reports.told import checked


def test_plain_text_is_escaped_and_markup_is_not() -> None:
    inner = element("b", "a < b", class_="x", stroke_width=2, left=None)
    assert inner == '<b class="x" stroke-width="2">a &lt; b</b>'
    assert element("p", inner, "&") == f"<p>{inner}&amp;</p>"
    assert element("p", title='"') == '<p title="&quot;"></p>'


def test_numbers_stand_to_the_right_and_columns_under_markup_do_not_sort() -> None:
    for number in ("1", "-1,234.5", "1e-05", "12.5%", "3 ms", "0.5 s"):
        assert f"<td class=n>{number}</td>" in table(["a"], [[number]])
    for words in ("2013-01-01", "3fa9", "1 < 2", "", "none"):
        assert "class=n" not in table(["a"], [[words]])
    assert table(["a", Markup("b")], []).count("<button>") == 1


def test_a_page_is_whole_by_itself() -> None:
    parsed = checked(page("<title>", [element("p", "words"), table(["a"], [["1"]])]))
    assert "words" in parsed.texts
    assert parsed.row("1") == ["1"]


@pytest.mark.skipif(
    shutil.which("node") is None, reason="nothing here runs the page's script: node is not here"
)
def test_a_table_sorts_by_numbers_texts_and_times_and_back() -> None:
    rows = [
        ["b", "1,200", "2013-01-02", "5%"],
        ["a", "", "2013-01-10", "40%"],
        ["C", "-3e-05", "2012-12-31", "0.5%"],
        ["d", "30", "2013-01-01", "12%"],
    ]
    asked = json.dumps({"rows": rows, "script": script()})
    command = ["node", str(Path(__file__).with_name("sorting.js")), "1", "1", "0", "0", "2", "3"]
    done = subprocess.run(command, input=asked, capture_output=True, text=True, check=True)
    shown = json.loads(done.stdout)
    order = ["".join(row[0] for row in press["rows"]) for press in shown]
    # the first press has the largest on top, the second the smallest
    assert order == ["bdCa", "aCdb", "dCba", "abCd", "abdC", "adbC"]
    assert [press["sorted"].count(None) for press in shown] == [3] * 6
    assert [press["sorted"][1] for press in shown[:2]] == ["descending", "ascending"]


def script() -> str:
    """Give the script of a page."""
    (found,) = re.findall(r"<script>(.*?)</script>", page("sorts", []), re.DOTALL)
    return str(found)
