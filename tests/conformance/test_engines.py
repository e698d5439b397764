"""One suite for every engine of feature rows. A failing random stream shrinks to an `@example`."""

from math import inf, nan

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from features.aggregates import OPERATIONS
from tests.conformance.cases import CASES
from tests.conformance.clickhouse import ClickHouse
from tests.conformance.engines import PLANS, Engine, Log, differences, reference, seeded, wrong
from tests.conformance.flink import Flink
from tests.definitions import CATALOGUE
from tests.features.logs import DAY, HOUR, MINUTE, Case, Step, cases, streams


@pytest.fixture(
    scope="module",
    params=["clickhouse", "clickhouse_in_stretches", pytest.param("flink", marks=pytest.mark.stack)],
)
def engine(request: pytest.FixtureRequest) -> Engine:
    engine: Engine = request.getfixturevalue(request.param)
    return engine


def test_the_groups_take_every_way_and_every_operation() -> None:
    ways = {(plan.order, plan.source.dedup) for plan in PLANS}
    assert ways == {("arrival", "partition"), ("arrival", "none"), ("log", "partition"), ("log", "keyed")}
    assert {aggregate.op for plan in PLANS for aggregate in plan.aggregates} == OPERATIONS.keys()


@pytest.fixture(scope="module")
def hand_made(engine: Engine) -> dict[str, dict[str, list[str]]]:
    """What is wrong with each hand-made stream. All are computed at once, for a job takes its time."""
    return dict(zip(CASES, wrong(engine, list(CASES.values())), strict=True))


@pytest.mark.parametrize("name", CASES)
def test_a_hand_made_stream(hand_made: dict[str, dict[str, list[str]]], name: str) -> None:
    assert hand_made[name] == {}


def test_a_long_stream(engine: Engine) -> None:
    assert wrong(engine, [seeded(20130201, 400)]) == [{}]


@pytest.mark.stack
@settings(max_examples=5, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(batch=st.lists(streams, min_size=1, max_size=6))
def test_random_streams(flink: Flink, batch: list[tuple[Step, ...]]) -> None:
    assert [told for told in wrong(flink, batch) if told] == []


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(case=cases)
@example(
    case=Case(
        (("1h", "30m"), None),
        tuple(CATALOGUE),
        (
            Step(delay=nan),
            Step(delay=inf),
            Step(delay=-0.0, seats=3),
            Step(gap=HOUR, late=2 * HOUR, delay=20.0, seats=4, carrier="B|\\"),
            Step(gap=MINUTE, delay=0.1, seats=-7, late=HOUR // 2),
        ),
    )
)
@example(
    case=Case(
        (("2s", "1s"),),
        ("seats_last", "delay_max"),
        (
            Step(late=400 * DAY, seats=1),
            Step(gap=1, carrier=None),
            Step(gap=1999, delay=1.5),
            Step(tick=True),
        ),
        entity="stand",
        partitions=3,
    )
)
@example(  # tiles that leave as the event arrives or 1 ms later; duplicates at the edge of dedup
    case=Case(
        (("1h", "30m"),),
        ("delay_max", "seats_sum", "late_last"),
        (
            Step(gap=90 * MINUTE, late=90 * MINUTE, delay=20.0, seats=4, id=1),
            Step(gap=90 * MINUTE - 1, late=90 * MINUTE - 1, delay=0.0000015, seats=4, id=1),
            Step(gap=HOUR - 1, delay=0.0000005, id=1),
            Step(gap=HOUR, seats=1, id=1),
        ),
    )
)
def test_a_random_definition(clickhouse: ClickHouse, case: Case) -> None:
    log = Log(case.plan, case.records, case.end + 3 * DAY)
    assert differences(*clickhouse.compute([log]), *reference([log])) == []
