import re
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from features import (
    DefinitionError,
    FeatureGroup,
    count,
    count_distinct,
    last,
    mean,
    quantile,
    skewness,
    total,
    variance,
)
from features.aggregates import Aggregate
from features.compile import compile_group
from features.plan import BOUND, CUBED_BOUND, GroupPlan
from tests.definitions import carrier, landed


def plan(*aggregates: Aggregate, **more: Any) -> GroupPlan:
    return compile_group(FeatureGroup("g", 1, carrier, landed(), aggregates, **more))


@pytest.mark.parametrize(
    ("aggregate", "name"),
    [
        (quantile("delay", 0.5, over="1d"), "delay_q50_1d"),
        (quantile("delay", 0.999, over="1d"), "delay_q99_9_1d"),
        (quantile("delay", 0.99999), "delay_q99_999"),
        (quantile("delay", 1.0), "delay_q100"),
        (quantile("delay", 0.99999999, name="top"), "top"),
        (last("gate", 2), "gate_last2"),
        (last("gate", 3, distinct=True, over="7d"), "gate_last3_distinct_7d"),
        (last("gate", 1, distinct=True), "gate_last"),
        (count(where="diverted", name="diverted_count"), "diverted_count"),
    ],
)
def test_names_say_the_options(aggregate: Aggregate, name: str) -> None:
    assert aggregate.name == name


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (partial(last, "gate", 0), "nth is 1 or more"),
        (partial(quantile, "delay", 1.5), "q lies between 0 and 1"),
        (
            partial(quantile, "delay", 0.99999999),
            "more than five decimal places states its name",
        ),
        (partial(count_distinct, "gate", limit=0), "limit is 1 or more"),
        (partial(total, "delay", where="diverted"), "an aggregate with `where` states its name"),
    ],
)
def test_a_wrong_option_is_refused(make: Callable[[], Aggregate], message: str) -> None:
    with pytest.raises(DefinitionError, match=re.escape(message)):
        make()


def test_a_condition_is_part_of_the_argument_and_shared_by_what_states_the_same() -> None:
    made = plan(
        mean("delay", over="1h"),
        mean("delay", over="1h", where="diverted", name="a"),
        variance("delay", over="1d", where="diverted", name="b"),
        count(where="late", name="c"),
        columns={"late": "delay > 15"},
    )
    assert [(a.name, a.type.value) for a in made.arguments] == [
        ("delay", "double"),
        ("a_where_1", "double"),
        ("c_where_2", "boolean"),
    ]
    assert [a.argument for a in made.aggregates] == [0, 1, 1, 2]


@pytest.mark.parametrize(("where", "message"), [("delay", "a condition is boolean"), ("wing > 1", "wing")])
def test_a_wrong_condition_is_refused_with_its_place(where: str, message: str) -> None:
    with pytest.raises(DefinitionError, match=message) as refused:
        plan(count(where=where, name="c"))
    assert "aggregate c, where" in str(refused.value)


def test_an_argument_whose_cubes_are_summed_has_a_closer_bound() -> None:
    made = plan(mean("delay", over="1h"), skewness("delay", over="1d"), mean("seats", over="1h"))
    assert [a.bound for a in made.arguments] == [CUBED_BOUND, BOUND]
    assert [a.get("bound") for a in made.to_dict()["arguments"]] == [CUBED_BOUND, None]


def test_options_are_part_of_the_contract() -> None:
    hashes = {plan(last("gate", n, distinct=d)).contract_hash for n in (2, 3) for d in (True, False)}
    assert len(hashes) == 4
    assert plan(last("gate")).to_dict()["aggregates"] == [
        {"name": "gate_last", "op": "last", "argument": 0, "window": None, "type": "bigint"}
    ]
