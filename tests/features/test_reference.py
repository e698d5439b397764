"""Rows worked out by hand. Times are in ms after START, which is a multiple of every hop."""

import random
from collections.abc import Sequence
from itertools import pairwise
from math import inf, nan
from typing import Any

import pytest
from hypothesis import given, settings

from features import FeatureGroup, count, last, maximum, mean, minimum, share, total
from features.aggregates import Aggregate
from features.compile import compile_group
from features.plan import BOUND, GroupPlan
from features.reference import LogRecord, events, rows, with_log_time
from features.types import MAX_TIME, MIN_TIME
from tests.definitions import carrier, landed, stand
from tests.features.logs import DAY, HOUR, MINUTE, START, Case, Step, cases, log

Row = dict[str, Any]


def plan(*aggregates: Aggregate, partitions: int = 1, **more: Any) -> GroupPlan:
    group = FeatureGroup("g", 1, more.pop("entity", carrier), landed(partitions), aggregates, **more)
    return compile_group(group)


def table(made: list[Row], *names: str) -> list[tuple[Any, ...]]:
    """Give some columns of the rows, with `event_timestamp` as ms after START."""
    return [(row["event_timestamp"] - START, *(row[name] for name in names)) for row in made]


def computed(over: GroupPlan, steps: Sequence[Step], until: int = 400 * DAY) -> list[Row]:
    return rows(over, log(steps, over.source.partitions), START + until)


def test_a_row_at_the_event_and_one_when_its_tile_leaves_to_the_ms() -> None:
    hourly = plan(count(over="1h", hop="15m"))
    (arrival, decay) = computed(hourly, [Step(gap=15 * MINUTE - 1)])
    assert arrival == {
        "entity": "A",
        "event_timestamp": START + 15 * MINUTE - 1,
        "last_event_time": START + 15 * MINUTE - 1,
        "seq": 1,
        "topic": "landed",
        "partition": 0,
        "offset": 0,
        "count_1h": 1,
    }
    assert decay == {
        "entity": "A",
        "event_timestamp": START + 75 * MINUTE,
        "last_event_time": START + 15 * MINUTE - 1,
        "seq": 2,
        "topic": None,
        "partition": None,
        "offset": None,
        "count_1h": 0,
    }


@pytest.mark.parametrize(
    ("at", "leaves"), [(0, 75), (1, 75), (15 * MINUTE - 1, 75), (15 * MINUTE, 90), (15 * MINUTE + 1, 90)]
)
def test_a_tile_is_from_a_boundary_to_before_the_next(at: int, leaves: int) -> None:
    made = computed(plan(count(over="1h", hop="15m")), [Step(gap=at)])
    assert table(made, "count_1h") == [(at, 1), (leaves * MINUTE, 0)]


@pytest.mark.parametrize(
    ("gap", "expected"),
    [
        (75 * MINUTE - 1, [(0, 1), (75 * MINUTE - 1, 2), (75 * MINUTE, 1), (135 * MINUTE, 0)]),
        # the boundary is emitted before the event that comes at the same moment
        (75 * MINUTE, [(0, 1), (75 * MINUTE, 0), (75 * MINUTE, 1), (150 * MINUTE, 0)]),
        (75 * MINUTE + 1, [(0, 1), (75 * MINUTE, 0), (75 * MINUTE + 1, 1), (150 * MINUTE, 0)]),
    ],
)
def test_a_boundary_comes_before_an_event_at_the_same_moment(
    gap: int, expected: list[tuple[int, int]]
) -> None:
    made = computed(plan(count(over="1h", hop="15m")), [Step(), Step(gap=gap)])
    assert table(made, "count_1h") == expected
    assert [row["seq"] for row in made] == [1, 2, 3, 4]


def test_several_windows_that_lose_a_tile_at_one_moment_share_a_row() -> None:
    over = plan(
        count(over="1h", hop="30m"), count(over="90m", hop="30m"), count(over="1h", hop="1h", name="coarse")
    )
    made = computed(over, [Step(), Step(gap=30 * MINUTE)])
    assert table(made, "seq", "count_1h", "count_90m", "coarse") == [
        (0, 1, 1, 1, 1),
        (30 * MINUTE, 2, 2, 2, 2),
        (90 * MINUTE, 3, 1, 2, 2),
        (120 * MINUTE, 4, 0, 1, 0),  # the second tile of 1h, the first of 90m, the only one of the coarse
        (150 * MINUTE, 5, 0, 0, 0),
    ]


def test_a_late_event_counts_from_its_arrival_while_its_tile_is_inside() -> None:
    over = plan(count(over="1h", hop="30m"), last("seats", over="1h", hop="30m"))
    steps = [Step(gap=60 * MINUTE, seats=1), Step(gap=29 * MINUTE, late=60 * MINUTE, seats=2)]
    assert table(computed(over, steps), "count_1h", "seats_last_1h", "last_event_time") == [
        (60 * MINUTE, 1, 1, START + 60 * MINUTE),
        (89 * MINUTE, 2, 1, START + 60 * MINUTE),  # older by ts: not the last
        (90 * MINUTE, 1, 1, START + 60 * MINUTE),
        (150 * MINUTE, 0, None, START + 60 * MINUTE),
    ]


def test_a_late_event_whose_tile_has_left_has_a_row_but_never_counts() -> None:
    over = plan(count(over="1h", hop="30m"), count())
    made = computed(over, [Step(), Step(gap=90 * MINUTE, late=90 * MINUTE)])
    assert table(made, "count_1h", "count") == [(0, 1, 1), (90 * MINUTE, 0, 1), (90 * MINUTE, 0, 2)]
    assert table(computed(over, [Step(gap=10 * HOUR, late=9 * HOUR)]), "count_1h", "count") == [
        (10 * HOUR, 0, 1)
    ]


def test_an_event_that_arrives_as_its_tile_leaves_makes_no_boundary() -> None:
    over = plan(count(over="1h", hop="30m"))
    assert table(computed(over, [Step(gap=90 * MINUTE, late=90 * MINUTE)]), "count_1h") == [(90 * MINUTE, 0)]
    just = computed(over, [Step(gap=90 * MINUTE - 1, late=90 * MINUTE - 1)])
    assert table(just, "count_1h") == [(90 * MINUTE - 1, 1), (90 * MINUTE, 0)]


def test_an_event_from_the_future_happened_when_the_log_took_it() -> None:
    over = plan(last("seats"), count(over="1h", hop="30m"))
    made = computed(over, [Step(late=-DAY, seats=1), Step(gap=1, seats=2)])
    assert table(made, "last_event_time", "seats_last", "count_1h") == [
        (0, START, 1, 1),
        (1, START + 1, 2, 2),
        (90 * MINUTE, START + 1, 2, 0),
    ]


def test_among_equal_times_the_later_in_the_log_is_the_last() -> None:
    over = plan(last("seats"), partitions=2)
    tied = [Step(partition=1, seats=1), Step(partition=0, seats=2), Step(partition=1, late=1, seats=3)]
    made = computed(over, tied)
    assert table(made, "partition", "offset", "seats_last") == [(0, 0, 0, 2), (0, 1, 0, 1), (0, 1, 1, 1)]


def test_partitions_are_merged_by_the_logs_clock() -> None:
    over = plan(last("seats"), count(), partitions=2)
    steps = [
        Step(gap=10, partition=0, seats=1),
        Step(gap=10, partition=1, seats=2, behind=15),  # T is START + 5, before the first
        Step(gap=10, partition=1, seats=3, behind=29),  # its stamp goes back: T stays START + 5
        Step(gap=10, partition=0, seats=4, behind=20),
    ]
    assert table(computed(over, steps), "partition", "offset", "count", "seats_last") == [
        (5, 1, 0, 1, 2),
        (5, 1, 1, 2, 2),
        (10, 0, 0, 3, 1),
        (20, 0, 1, 4, 4),
    ]


def test_log_time_never_goes_back_within_a_partition_and_ticks_advance_it() -> None:
    steps = [Step(gap=5), Step(gap=9, tick=True), Step(gap=1, behind=12), Step(gap=1, partition=1, behind=10)]
    timed = with_log_time(log(steps, 2))
    assert [(clock - START, r.partition, r.offset) for clock, r in timed] == [
        *((5, 0, 0), (6, 1, 0), (14, 0, 1), (14, 0, 2))
    ]


def test_a_duplicate_of_a_duplicate_is_one_while_each_stands_within_dedup_of_the_one_before() -> None:
    over = plan(count())
    gaps = [0, 59 * MINUTE, 59 * MINUTE, HOUR - 1, HOUR, 1]
    made = computed(over, [Step(gap=gap, id=7) for gap in gaps])
    assert table(made, "offset", "count") == [(0, 0, 1), (sum(gaps[:5]), 4, 2)]


def test_dedup_comes_before_where_and_before_the_entity() -> None:
    over = plan(count(), where="seats > 0")
    kept = computed(
        over, [Step(id=1, seats=0), Step(gap=1, id=1, seats=5), Step(gap=1, id=2, carrier="B", seats=1)]
    )
    assert [(r["entity"], r["count"]) for r in kept] == [("B", 1)]
    made = computed(plan(count()), [Step(id=1, carrier="A"), Step(gap=1, id=1, carrier="B")])
    assert [(r["entity"], r["count"]) for r in made] == [("A", 1)]


def test_where_keeps_what_is_true_and_not_what_is_null() -> None:
    made = computed(plan(count(), where="seats > 2"), [Step(seats=3), Step(seats=2), Step(seats=None)])
    assert [r["count"] for r in made] == [1]


def test_what_the_group_refuses() -> None:
    over = plan(mean("delay"), total("seats"), where="not diverted")
    steps = [
        Step(carrier=None),
        Step(delay=nan),
        Step(delay=inf),
        Step(delay=BOUND * 1.0),
        Step(delay=-BOUND * 1.1),
        Step(seats=BOUND + 1),
        Step(seats=-BOUND),
        Step(seats=BOUND + 1, diverted=True),  # where comes first
        Step(carrier=None, tick=True),
    ]
    kept, refused = events(over, log(steps))
    assert [e.position[3] for e in kept] == [3, 6]
    beyond = "number beyond the contract's bound"
    assert refused == [
        ("landed", 0, 0, "entity key is NULL"),
        *(("landed", 0, offset, beyond) for offset in (1, 2, 4, 5)),
    ]


def test_a_record_without_id_or_time_is_passed_over() -> None:
    made = log([Step(), Step(), Step()])
    for record, name in zip(made[:2], ("id", "landed_at"), strict=True):
        assert record.value is not None
        record.value[name] = None
    assert [r["offset"] for r in rows(plan(count()), made, START + 1)] == [2]


def test_a_count_of_moments_knows_no_bound() -> None:
    made = log([Step()])
    assert made[0].value is not None
    made[0].value["due"] = START  # in ms, more than the bound of a number
    kept, refused = events(plan(count("due")), made)
    assert (len(kept), refused) == (1, [])


def test_an_event_time_that_no_engine_holds_is_passed_over() -> None:
    made = log([Step(gap=1) for _ in range(4)])
    for record, ts in zip(made, (MIN_TIME - 1, MIN_TIME, MAX_TIME, MAX_TIME + 1), strict=True):
        assert record.value is not None
        record.value["landed_at"] = ts
    kept, refused = events(plan(count()), made)
    assert [(e.position[3], e.ts) for e in kept] == [(1, MIN_TIME), (2, made[2].kafka_time)]
    assert refused == []


def test_sums_are_exact_and_an_emptied_window_is_zero_or_null() -> None:
    over = plan(
        *(f("delay", over="1h", hop="1h") for f in (total, mean, minimum, maximum)),
        count("delay", over="1h", hop="1h"),
    )
    made = computed(
        over, [Step(delay=0.1), Step(delay=0.2), Step(delay=1e12), Step(delay=-1e12), Step(delay=None)]
    )
    names = [f"delay_{op}_1h" for op in ("sum", "mean", "min", "max", "count")]
    assert table(made, *names)[1] == (0, 0.3, 0.15, 0.1, 0.2, 2)
    assert table(made, *names)[-2:] == [(0, 0.3, 0.075, -1e12, 1e12, 4), (2 * HOUR, 0.0, None, None, None, 0)]


def test_half_a_unit_of_the_sixth_place_goes_to_the_even_one() -> None:
    made = computed(plan(total("delay")), [Step(delay=0.5e-6), Step(delay=1.5e-6)])
    assert [r["delay_sum"] for r in made] == [0.0, 2e-6]


def test_a_negative_zero_is_a_zero() -> None:
    (row,) = computed(plan(last("delay"), minimum("delay"), total("delay")), [Step(delay=-0.0)])
    assert [repr(row[n]) for n in ("delay_last", "delay_min", "delay_sum")] == ["0.0", "0.0", "0.0"]


def test_shares_lasts_and_derived_features_skip_nulls() -> None:
    over = plan(
        *(share("late"), last("late"), last("carrier"), count("late"), count()),
        columns={"late": "delay > 15"},
        derived={"known": "late_count / nullif(count, 0)"},
    )
    made = computed(over, [Step(delay=None), Step(delay=20.0), Step(delay=None), Step(delay=1.0)])
    names = ("late_share", "late_last", "carrier_last", "known")
    assert table(made, *names) == [
        (0, None, None, "A", 0.0),
        (0, 1.0, True, "A", 0.5),
        (0, 1.0, True, "A", 1 / 3),
        (0, 0.5, False, "A", 0.5),
    ]


def test_an_entity_of_several_keys() -> None:
    steps = [Step(carrier="A|\\", gate=-1, diverted=True), Step(carrier="A"), Step(gate=None)]
    made = computed(plan(count(), entity=stand), steps)
    assert [r["entity"] for r in made] == [r"A\|\\|-1|true", "A|1|false"]


def test_rows_end_before_until() -> None:
    over, steps = plan(count(over="1h", hop="30m")), [Step(), Step(gap=MINUTE)]
    assert [len(computed(over, steps, until)) for until in (0, 1, MINUTE, MINUTE + 1)] == [0, 1, 1, 2]
    assert [len(computed(over, steps, until)) for until in (90 * MINUTE, 90 * MINUTE + 1)] == [2, 3]


@settings(max_examples=40, deadline=None)
@given(cases)
def test_rows_are_a_function_of_the_log_alone(case: Case) -> None:
    until = case.end + DAY
    made = rows(case.plan, case.records, until)
    by_entity: dict[str, list[Row]] = {}
    for row in made:
        by_entity.setdefault(row["entity"], []).append(row)
    for own in by_entity.values():
        assert [r["seq"] for r in own] == list(range(1, len(own) + 1))
        assert all(a["event_timestamp"] <= b["event_timestamp"] for a, b in pairwise(own))
        decays = [r["event_timestamp"] for r in own if r["topic"] is None]
        assert len(decays) == len(set(decays))
    assert repr(rows(case.plan, _interleaved(case.records), until)) == repr(made)
    # what comes later in the log changes nothing that was emitted before
    cut = START + (case.end - START) // 2 if case.start else case.end // 2
    early = [r for clock, r in with_log_time(case.records) if clock < cut]
    assert repr(rows(case.plan, early, cut)) == repr([r for r in made if r["event_timestamp"] < cut])


def _interleaved(records: list[LogRecord]) -> list[LogRecord]:
    """Read the partitions at another pace: each still by offset."""
    queues: dict[int, list[LogRecord]] = {}
    for record in records:
        queues.setdefault(record.partition, []).append(record)
    order = [record.partition for record in records]
    random.Random(0).shuffle(order)
    return [queues[partition].pop(0) for partition in order]
