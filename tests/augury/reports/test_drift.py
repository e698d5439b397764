from dataclasses import replace

from augury.reports.drift import Feature, Watch, drift_page
from tests.augury.reports.told import checked, drift_window, watch
from warehouse.reports import Distribution


def test_five_hundred_features_of_a_month_are_a_page_of_less_than_a_megabyte() -> None:
    text = drift_page([watch(500, 30)])
    page = checked(text)
    assert len(text.encode()) < 1_000_000
    assert page.row("weather.temperature_mean_499d")[-3:-1] == ["0", "30"]
    assert page.tags.count("svg") == 1 + 12 * 4 + 500


def test_a_feature_is_told_by_its_newest_window_and_how_often_it_drifted() -> None:
    windows = [
        drift_window("f", 0, 0.5, True),
        drift_window("f", 1, 0.3, True),
        drift_window("f", 2, 0.01, False),
    ]
    page = checked(drift_page([Watch("plain.v1/late", "q at most 0.0167", False, [Feature("f", windows)])]))
    told = ["f", "psi", "1,234", "2.0%", "1.0%", "0.010", "", "0.005", "0.35", "0.7", "2", "3", ""]
    assert page.row("f") == told
    assert page.row("plain.v1/late") == ["plain.v1/late", "1", "1,234", "10,000", "0", ""]
    assert "q at most 0.0167" in page.texts


def test_the_worst_window_is_one_that_drifted() -> None:
    windows = [drift_window("f", 0, 0.9, False), drift_window("f", 1, 0.3, True)]
    assert Feature("f", windows).worst is windows[1]


def test_a_window_without_rows_has_no_index() -> None:
    empty = replace(drift_window("f", 0, 0.0, False), n=0)
    windows = [empty, drift_window("f", 1, 0.01, False)]
    assert Feature("f", windows).worst is windows[1]
    text = drift_page([Watch("plain.v1/late", "the rule", False, [Feature("f", windows[::-1])])])
    assert checked(text).row("f")[5] == ""
    assert text.count("h15v15") == 1


def test_names_are_not_markup() -> None:
    odd = "<script>alert(1)</script> & co"
    window = drift_window(odd, 0, 0.5, True)
    bins = Distribution(
        odd, window.window_end, [], ["<b>", "&amp;"], [0.5, 0.3, 0.1, 0.1], [0.1, 0.2, 0.3, 0.4]
    )
    page = checked(drift_page([Watch(f"p{odd}", odd, False, [Feature(odd, [window], bins)])]))
    assert page.tags.count("script") == 1
    assert page.row(odd)[0] == odd
    assert {"<b>", "&amp;"} <= set(page.texts)


def test_what_was_not_judged_is_left_empty() -> None:
    window = replace(drift_window("f", 0, 0.0, False), p_value=None, q_value=None, effect_size=None, n=0)
    page = checked(drift_page([Watch("plain.v1/late", "the rule", False, [Feature("f", [window])])]))
    assert page.row("f")[7:10] == ["", "", ""]
