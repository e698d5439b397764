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
