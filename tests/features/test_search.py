from dataclasses import replace
from typing import Any

import pytest

from features import Choice, DefinitionError, Integer, Real, Search
from features.compile_model import compile_model
from features.search import space_from_dict, space_to_dict
from tests.definitions import late

SPACE = {
    "num_leaves": Integer(4, 64, log=True),
    "rate": Real(0.01, 0.3),
    "boosting": Choice(("gbdt", "dart")),
}


@pytest.mark.parametrize(
    ("stated", "rule"),
    [
        ({"space": {}}, "a space of one parameter or more"),
        ({"space": {"a": Choice(("x", "x"))}}, "search a: a choice has two values or more"),
        ({"space": {"a": Integer(5, 5)}}, "from a number to a larger one"),
        ({"space": {"a": Real(2.0, 1.0)}}, "from a number to a larger one"),
        ({"space": {"a": Real(0.0, float("inf"))}}, "from a number to a larger one"),
        ({"space": {"a": Real(float("nan"), 1.0)}}, "from a number to a larger one"),
        ({"space": {"a": Integer(1, 2.5)}}, "whole numbers lie between whole numbers"),  # type: ignore[arg-type]
        ({"space": {"a": Real(0.0, 1.0, log=True)}}, "a logarithmic range begins above 0"),
        ({"trials": 0}, "one trial or more"),
        ({"minutes": 0.0}, "minutes are a number above 0"),
        ({"folds": 0}, "1 to 20 folds"),
        ({"folds": 21}, "1 to 20 folds"),
        ({"every": "a week"}, "search, every: a duration is"),
    ],
)
def test_what_cannot_be_searched_is_refused(stated: dict[str, Any], rule: str) -> None:
    with pytest.raises(DefinitionError, match=rule):
        compile_model(replace(late, search=Search(**{"space": SPACE, **stated})))


def test_a_search_is_no_part_of_the_signature() -> None:
    searched = replace(late, search=Search(SPACE, every="7d"))
    assert compile_model(searched) == compile_model(late)


def test_a_space_is_read_as_it_was_written() -> None:
    assert space_from_dict(space_to_dict(SPACE)) == SPACE
