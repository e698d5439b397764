import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from features.aggregates import count, last, maximum, mean, share, skewness
from features.compile import compile_group
from features.definitions import FeatureGroup, Freshness
from features.effects import Difference, Effect, computations, differences, effect_of, same_rows
from tests.definitions import GROUPS, landed, plain, stand, whole

BASE = replace(
    plain,
    where="seats > 2",
    columns={"late": "delay > 15"},
    aggregates=[count(over="1h"), mean("delay", over="1h"), share("late", over="1d"), last("seats")],
    derived={"pace": "count_1h / 60", "worse": "late_share_1d * 2"},
)


def contract(group: FeatureGroup) -> dict[str, Any]:
    return compile_group(group).to_dict()


def found(after: FeatureGroup, before: FeatureGroup = BASE) -> list[tuple[str, str]]:
    return [(d.effect.value, d.subject) for d in differences(contract(before), contract(after))]


CHANGES: dict[str, tuple[FeatureGroup, list[tuple[str, str]]]] = {
    "nothing": (replace(BASE, version=2), []),
    "meaning": (replace(BASE, meaning="Else"), [("description", "meaning")]),
    "owner": (replace(BASE, owner="ops"), [("description", "owner")]),
    "freshness": (replace(BASE, freshness=Freshness("1m")), [("description", "freshness")]),
    "a range": (replace(BASE, ranges={"pace": (0, 9)}), [("description", "ranges")]),
    "a default": (replace(BASE, defaults={"pace": 0.5}), [("defaults", "pace")]),
    "a default of a feature more": (
        replace(BASE, derived={**BASE.derived, "slow": "pace < 1"}, defaults={"slow": True}),
        [("additive", "slow")],
    ),
    "what a stale row gives way to": (
        replace(BASE, defaults={"pace": 0.5}, freshness=Freshness(on_stale="default")),
        [("defaults", "freshness"), ("defaults", "pace")],
    ),
    "a name of a row column": (
        replace(
            BASE,
            columns={"tardy": "delay > 15"},
            aggregates=[*BASE.aggregates[:2], share("tardy", over="1d", name="late_share_1d"), last("seats")],
        ),
        [("form", "names of row columns")],
    ),
    "the order of features": (
        replace(BASE, aggregates=[BASE.aggregates[1], BASE.aggregates[0], *BASE.aggregates[2:]]),
        [("form", "order of features")],
    ),
    "a feature more, over a window and a column more": (
        replace(BASE, aggregates=[maximum("delay", over="6h"), last("carrier", over="1h"), *BASE.aggregates]),
        [("additive", "delay_max_6h"), ("additive", "carrier_last_1h")],
    ),
    "a derived feature more": (
        replace(BASE, derived={**BASE.derived, "slow": "pace < 1"}),
        [("additive", "slow")],
    ),
    "a filter": (replace(BASE, where="seats > 3"), [("computation", "where")]),
    "no filter": (replace(BASE, where=None), [("computation", "where")]),
    "entity": (
        replace(BASE, entity=stand),
        [("computation", "entity")],
    ),
    "dedup": (
        replace(BASE, source=landed(dedup="2h")),
        [("computation", "source landed.dedup_ms")],
    ),
    "partitions": (
        replace(BASE, source=landed(partitions=2)),
        [("computation", "order"), ("computation", "source landed.partitions")],
    ),
    "a hop": (
        replace(
            BASE,
            aggregates=[BASE.aggregates[0], mean("delay", over="1h", hop="30m"), *BASE.aggregates[2:]],
        ),
        [("computation", "delay_mean_1h")],
    ),
    "a row column, and so what is derived from it": (
        replace(BASE, columns={"late": "delay > 20"}),
        [("computation", "late_share_1d"), ("computation", "worse")],
    ),
    "a derived feature": (
        replace(BASE, derived={**BASE.derived, "pace": "count_1h / 30"}),
        [("computation", "pace")],
    ),
    "a type": (
        replace(BASE, derived={**BASE.derived, "pace": "count_1h + 1"}),
        [("type", "pace"), ("computation", "pace")],
    ),
    "a feature less": (
        replace(BASE, aggregates=BASE.aggregates[:3]),
        [("removal", "seats_last")],
    ),
    "a feature of another name": (
        replace(BASE, aggregates=[*BASE.aggregates[:3], last("seats", name="seats_newest")]),
        [("removal", "seats_last"), ("additive", "seats_newest")],
    ),
    "much at once": (
        replace(
            BASE, owner="ops", where=None, derived={"worse": "late_share_1d * 2", "busy": "count_1h > 9"}
        ),
        [("description", "owner"), ("computation", "where"), ("removal", "pace"), ("additive", "busy")],
    ),
}


@pytest.mark.parametrize(("after", "expected"), CHANGES.values(), ids=CHANGES)
def test_each_difference_is_named_with_its_effect(
    after: FeatureGroup, expected: list[tuple[str, str]]
) -> None:
    assert found(after) == expected


@pytest.mark.parametrize("after", [pair[0] for pair in CHANGES.values()], ids=CHANGES)
def test_a_contract_that_changed_has_a_difference(after: FeatureGroup) -> None:
    changed = compile_group(replace(after, version=1)).contract_hash != compile_group(BASE).contract_hash
    assert changed == bool(found(after))


@pytest.mark.parametrize("group", GROUPS)
def test_a_contract_is_compared_as_it_was_stored(group: FeatureGroup) -> None:
    stored = json.loads(compile_group(group).to_json())
    assert differences(stored, contract(group)) == ()
    assert list(computations(stored)) == [f.name for f in compile_group(group).features]


def test_a_default_that_came_changed_or_went_is_told() -> None:
    zero, one, none = (
        contract(replace(BASE, defaults=defaults))
        for defaults in ({"count_1h": 0, "worse": 1}, {"worse": 1, "count_1h": 1}, {"worse": 1.0})
    )
    told = [differences(*pair) for pair in ((none, zero), (zero, one), (one, none))]
    assert told == [
        (Difference(Effect.DEFAULTS, "count_1h", text),)
        for text in ("default none -> 0", "default 0 -> 1", "default 1 -> none")
    ]


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"owner": "ops"}, True),
        ({"defaults": {"count_1h": 0}, "owner": "ops"}, True),
        ({"defaults": {"count_1h": 0}, "derived": {**BASE.derived, "slow": "pace < 1"}}, False),
        ({"aggregates": [BASE.aggregates[1], BASE.aggregates[0], *BASE.aggregates[2:]]}, False),
        ({"where": None}, False),
    ],
)
def test_rows_stay_as_they_were_where_no_more_than_descriptions_and_defaults_differ(
    change: dict[str, Any], same: bool
) -> None:
    assert same_rows(differences(contract(BASE), contract(replace(BASE, **change)))) == same


def test_when_a_row_is_stale_is_more_than_a_description_where_it_gives_way_to_defaults() -> None:
    filled = replace(BASE, defaults={"count_1h": 0})
    stale = [replace(filled, freshness=Freshness(lag, on_stale="default")) for lag in ("10m", "5m")]
    for before, after in ((filled, stale[0]), (stale[0], filled), (stale[0], stale[1])):
        (told,) = differences(contract(before), contract(after))
        assert (told.effect, told.subject, told.shared) == (Effect.DEFAULTS, "freshness", True)
    (told,) = differences(contract(filled), contract(replace(filled, freshness=Freshness("5m"))))
    assert told.effect is Effect.DESCRIPTION


def test_what_changed_is_told() -> None:
    (filtered,) = differences(contract(BASE), contract(replace(BASE, where=None)))
    assert filtered == Difference(Effect.COMPUTATION, "where", "(seats > 2) -> none", shared=True)
    (shorter,) = differences(
        contract(plain),
        contract(
            replace(plain, aggregates=[plain.aggregates[0], mean("delay", over="2h", name="delay_mean_1h")])
        ),
    )
    assert shorter.text == "mean(delay) over 1h, hop 1m -> mean(delay) over 2h, hop 1m"
    removed = differences(contract(BASE), contract(replace(BASE, aggregates=BASE.aggregates[:3])))
    assert removed[0].text == "was last(seats) ever"


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("a later release's part", lambda c: c | {"calendar": "business"}),
        ("scale", lambda c: c | {"scale": 9}),
        (
            "an option of an aggregate",
            lambda c: (
                c | {"aggregates": [c["aggregates"][0] | {"options": {"q": 0.5}}, *c["aggregates"][1:]]}
            ),
        ),
        ("a bound of an argument", lambda c: c | {"arguments": [c["arguments"][0] | {"bound": 7}]}),
    ],
)
def test_what_this_release_does_not_know_is_computation(
    part: str, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    before = contract(plain)
    assert effect_of(differences(before, change(before))) is Effect.COMPUTATION, part


def test_a_column_that_was_retyped_changes_all() -> None:
    before = contract(whole)
    after = json.loads(json.dumps(before))
    after["sources"][0]["columns"]["gate"] = "string"
    assert [(d.subject, d.shared) for d in differences(before, after)] == [
        ("source landed.columns.gate", True)
    ]


def test_the_gravest_effect_counts() -> None:
    some = [Difference(effect, "x", "") for effect in (Effect.ADDITIVE, Effect.TYPE, Effect.FORM)]
    assert effect_of(some) is Effect.TYPE
    assert effect_of([]) is Effect.DESCRIPTION


def test_what_refuses_other_numbers_changes_all() -> None:
    before = contract(plain)
    more = contract(replace(plain, aggregates=[*plain.aggregates, skewness("seats", over="1h")]))
    shared = [(d.effect, d.subject) for d in differences(before, more) if d.shared]
    assert shared == [(Effect.COMPUTATION, "refusals")]
    same = contract(replace(plain, aggregates=[*plain.aggregates, maximum("delay", over="1h")]))
    assert effect_of(differences(before, same)) is Effect.ADDITIVE
