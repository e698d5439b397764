import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augury.settings import ROOT
from features import DefinitionError
from features.naming import RESERVED, check_name, check_source_name, key_text

KEYS = st.lists(st.text(alphabet="|\\aü") | st.text(), min_size=1, max_size=4)


def values_of(text: str) -> list[str]:
    """Read a key text back: split where `|` is not escaped, then drop the escapes."""
    return [
        re.sub(r"\\(.)", r"\1", v, flags=re.S) for v in re.findall(r"(?:^|\|)((?:[^|\\]|\\.)*)", text, re.S)
    ]


@given(KEYS)
def test_a_key_text_reads_back_so_no_two_keys_share_one(values: list[str]) -> None:
    assert values_of(key_text(values)) == values


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (["AA"], "AA"),
        ([""], ""),
        (["AA", "JFK"], "AA|JFK"),
        (["A|A", "JFK"], r"A\|A|JFK"),
        (["\\", "|"], r"\\|\|"),
        (["", ""], "|"),
    ],
)
def test_key_texts(values: list[str], text: str) -> None:
    assert key_text(values) == text


@pytest.mark.parametrize("name", ["a", "arr_delay_mean_1h", "x" * 63])
def test_good_names(name: str) -> None:
    check_name(name, "here")


@pytest.mark.parametrize("name", ["", "A", "1a", "_a", "a-b", "a.b", "a b", "é", "x" * 64, "a\n"])
def test_a_name_that_an_engine_could_not_spell_is_refused(name: str) -> None:
    with pytest.raises(DefinitionError, match="here: a name is lower-case letters, digits and _, at most 63"):
        check_name(name, "here")


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_a_reserved_name_is_refused(name: str) -> None:
    with pytest.raises(
        DefinitionError, match=f"are columns of every row .found '{name}'.; it would hide one"
    ):
        check_name(name, "here")


def test_no_source_is_named_like_a_table_or_view_of_our_own() -> None:
    made = {
        name
        for script in (ROOT / "warehouse" / "migrations").glob("*.sql")
        for name in re.findall(
            r"^CREATE (?:OR REPLACE )?(?:TABLE|VIEW) (?:IF NOT EXISTS )?(\w+)", script.read_text(), re.M
        )
    }
    assert len(made) > 30
    for name in (*made, "features_trips_v1", "backfill_trips_v12", "dataset_late_0a1b2c3d_v3"):
        with pytest.raises(DefinitionError, match="a source is named like none of"):
            check_source_name(name, "here")
    check_source_name("features_of_trips", "here")
