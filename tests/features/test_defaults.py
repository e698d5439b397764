import json
import math
from dataclasses import replace
from typing import Any

import pytest

from features import DefinitionError, Freshness
from features.compile import compile_group
from features.compile_model import compile_model
from features.types import MAX_TIME, Value
from tests.definitions import late, plain, whole

GROUP = replace(whole, derived={**whole.derived, "moment": "cast(count_1h as timestamp)"})


def compiled(defaults: dict[str, Any]) -> tuple[tuple[str, Value], ...]:
    return compile_group(replace(GROUP, defaults=defaults)).defaults


@pytest.mark.parametrize(
    ("feature", "stated", "held"),
    [
        ("count_1h", 0, 0),
        ("count_1h", -(2**63), -(2**63)),
        ("delay_mean_6h", 0.5, 0.5),
        ("delay_mean_6h", 3, 3.0),
        ("delay_mean_6h", -0.0, 0.0),
        ("busy", False, False),
        ("carrier_last", "", ""),
        ("moment", MAX_TIME, MAX_TIME),
    ],
)
def test_a_default_is_of_its_features_type(feature: str, stated: Value, held: Value) -> None:
    ((name, value),) = compiled({feature: stated})
    assert (name, repr(value)) == (feature, repr(held))


@pytest.mark.parametrize(
    ("feature", "stated", "kind", "found"),
    [
        ("count_1h", 0.0, "bigint", "0.0"),
        ("count_1h", True, "bigint", "True"),
        ("count_1h", 2**63, "bigint", str(2**63)),
        ("count_1h", None, "bigint", "'NULL'"),
        ("delay_mean_6h", math.nan, "double", "nan"),
        ("delay_mean_6h", math.inf, "double", "inf"),
        ("delay_mean_6h", 10**400, "double", str(10**400)),
        ("delay_mean_6h", False, "double", "False"),
        ("delay_mean_6h", "0", "double", "'0'"),
        ("busy", 0, "boolean", "0"),
        ("carrier_last", 7, "string", "7"),
        ("moment", MAX_TIME + 1, "timestamp", str(MAX_TIME + 1)),
    ],
)
def test_a_default_of_another_type_is_refused(feature: str, stated: Any, kind: str, found: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        compiled({feature: stated})
    assert str(refused.value) == (
        f"group whole v2, defaults, {feature}: a default is a value of its feature's type ({kind}) "
        f"(found {found}); a vector would hold what no row can"
    )


@pytest.mark.parametrize("name", ["late", "delay", "mean_1h"], ids=["row column", "source column", "unknown"])
def test_a_default_of_what_is_no_feature_is_refused(name: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        compiled({"count_1h": 0, name: 0})
    assert f"(found '{name}'); no vector would ever have it" in str(refused.value)
    assert "group whole v2, defaults: a default is that of a feature of the group (" in str(refused.value)


def test_a_stale_row_gives_way_to_defaults_only_where_there_are_some() -> None:
    fresh = Freshness(on_stale="default")
    with pytest.raises(DefinitionError) as refused:
        compile_group(replace(plain, freshness=fresh))
    assert str(refused.value) == (
        "group plain v1, freshness: on_stale is default only where a feature has a default "
        "(found 'default'); a stale vector would be empty"
    )
    assert compile_group(replace(plain, defaults={"count_1h": 0}, freshness=fresh)).on_stale == "default"


def test_they_go_by_the_order_of_the_row() -> None:
    stated = {"busy": True, "count_1h": 1}
    assert compiled(stated) == (("count_1h", 1), ("busy", True))


def test_a_contract_has_them_where_there_are_some() -> None:
    stated = json.loads(compile_group(replace(plain, defaults={"delay_mean_1h": 1})).to_json())
    assert stated.pop("defaults") == {"delay_mean_1h": 1.0}
    assert stated == json.loads(compile_group(plain).to_json())


def test_a_vector_has_those_of_all_features_that_may_be_read() -> None:
    counts = replace(plain, defaults={"delay_mean_1h": 0.5})
    plan = compile_model(replace(late, features=[counts["count_1h"], whole["pace"]]))
    assert [g.defaults for g in plan.groups] == [(("delay_mean_1h", 0.5),), ()]
    assert [plan.groups[0].default(p) for p in range(2)] == [None, 0.5]
