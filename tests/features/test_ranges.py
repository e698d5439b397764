import json
import math
from dataclasses import replace
from typing import Any

import pytest

from features import DefinitionError, FeatureGroup
from features.compile import compile_group
from tests.definitions import plain, whole


def stated(group: FeatureGroup, **ranges: Any) -> Any:
    return compile_group(replace(group, ranges=ranges))


def test_ranges_are_in_row_order_and_in_the_contract_where_they_are_stated() -> None:
    plan = stated(plain, delay_mean_1h=(-90, 1_440), count_1h=(0, 500))
    assert plan.ranges == (("count_1h", (0.0, 500.0)), ("delay_mean_1h", (-90.0, 1_440.0)))
    contract = json.loads(plan.to_json())
    assert contract.pop("ranges") == {"count_1h": [0.0, 500.0], "delay_mean_1h": [-90.0, 1_440.0]}
    assert contract == json.loads(compile_group(plain).to_json())


@pytest.mark.parametrize(
    "ends", [(1, 1), (2, 1), (0, math.inf), (math.nan, 1), (1, 2, 3), "12", ("a", "b"), None]
)
def test_a_range_goes_from_a_number_to_a_larger_one(ends: object) -> None:
    with pytest.raises(DefinitionError, match="ranges, count_1h: a range goes from a number to a larger one"):
        stated(plain, count_1h=ends)


@pytest.mark.parametrize("name", ["nothing", "busy"])
def test_a_range_is_that_of_a_number_of_the_group(name: str) -> None:
    with pytest.raises(DefinitionError, match="a range is that of a number among the group's features"):
        stated(whole, **{name: (0, 1)})


def test_a_default_is_possible() -> None:
    filled = replace(plain, defaults={"count_1h": -1})
    assert stated(filled, delay_mean_1h=(-90, 1_440)).defaults == (("count_1h", -1),)
    with pytest.raises(
        DefinitionError, match=r"a default is possible, within its feature's range \(0, 500\)"
    ):
        stated(filled, count_1h=(0, 500))
