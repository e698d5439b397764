from dataclasses import replace

import pytest

from features.compile import compile_group
from features.compile_model import compile_model
from features.contracts import AppliedContract
from features.cutover import CutoverError, reroute, target_of
from features.definitions import FeatureGroup, Freshness
from features.types import DataType
from features.vector import VectorGroup
from tests.definitions import aggregates, late, plain, stand, whole

PLAN = compile_model(late)  # reads plain.v1: count_1h; whole.v2: pace, busy


def target(group: FeatureGroup) -> VectorGroup:
    plan = compile_group(group)
    return target_of(AppliedContract(plan.name, plan.version, plan.to_json(), plan.contract_hash, 1_000))


# count_1h has moved to another place, and there are more features
MOVED = replace(
    plain, version=2, aggregates=[*aggregates(["delay_max", "carrier_last"], "1h"), *plain.aggregates]
)


def test_a_target_is_what_a_signature_of_it_would_say() -> None:
    signed = next(g for g in PLAN.groups if g.group == "whole")
    assert target(whole) == replace(signed, positions=())


def test_the_defaults_are_those_of_the_version_that_is_read() -> None:
    filled = replace(MOVED, defaults={"count_1h": 3, "delay_max_1h": 0}, freshness=Freshness("1m"))
    (group, _) = reroute(PLAN, {("plain", 1): target(filled)}).groups
    assert group.defaults == (("delay_max_1h", 0.0), ("count_1h", 3))
    assert (group.default(group.positions[0]), group.expected_max_lag_ms) == (3, 60_000)


def test_a_route_finds_the_same_features_where_they_are_now() -> None:
    found = reroute(PLAN, {("plain", 1): target(MOVED)})
    group = found.groups[0]
    assert (group.label, group.features, group.positions) == (
        "plain.v2",
        compile_group(MOVED).features,
        (2,),
    )
    assert found.groups[1:] == PLAN.groups[1:]
    assert found.names == PLAN.names
    assert replace(found, groups=PLAN.groups) == PLAN


@pytest.mark.parametrize(
    "routes",
    [{}, {("plain", 2): target(whole)}, {("other", 1): target(whole)}],
    ids=["none", "of another version", "of another group"],
)
def test_what_is_not_routed_is_read_as_signed(routes: dict[tuple[str, int], VectorGroup]) -> None:
    assert reroute(PLAN, routes) == PLAN


def test_a_plan_that_was_rerouted_comes_back_by_its_signature() -> None:
    assert reroute(PLAN, {("plain", 1): target(plain)}) == PLAN


def retyped(group: VectorGroup) -> VectorGroup:
    changed = tuple(replace(f, type=DataType.DOUBLE) if f.name == "count_1h" else f for f in group.features)
    return replace(group, features=changed)


@pytest.mark.parametrize(
    ("instead", "said"),
    [
        (
            target(replace(plain, version=2, aggregates=plain.aggregates[1:])),
            r"late reads count_1h \(bigint\)",
        ),
        (retyped(target(MOVED)), r"count_1h \(bigint\) of plain\.v1, and plain\.v2 has no such feature"),
        (target(replace(MOVED, entity=stand)), r"plain\.v1 of carrier, and plain\.v2 is of stand"),
    ],
    ids=["missing", "type", "entity"],
)
def test_a_version_that_does_not_fit_is_refused(instead: VectorGroup, said: str) -> None:
    with pytest.raises(CutoverError, match=said):
        reroute(PLAN, {("plain", 1): instead})


def test_what_nobody_reads_may_be_missing() -> None:
    lacking = target(replace(plain, version=2, aggregates=plain.aggregates[:1]))
    assert reroute(PLAN, {("plain", 1): lacking}).groups[0].version == 2
