from collections import Counter
from dataclasses import replace

import pytest

from benchmarks.common import Result
from benchmarks.payments import END, SAMPLED, Payments, group
from benchmarks.profile import shares
from benchmarks.stream import FLOOR, OURS, SIZES, SQL, Output, ratios, unlike, wrong_rows
from features.reference import LogRecord, rows

PLAN = group("some", "payments", 2)
PAYMENTS = Payments.make(600, 20)


def written() -> Output:
    """What a job writes that makes no mistake."""
    output = Output()
    log = [
        LogRecord("payments", partition, int(PAYMENTS.offsets[i]), int(PAYMENTS.times[i]), record)
        for i, (partition, record) in enumerate(PAYMENTS.records(range(len(PAYMENTS))))
    ]
    for row in rows(PLAN, log, END):
        output.take_row(row, row["event_timestamp"])
        if int(row["entity"]) < SAMPLED:
            output.sampled.append(row)
    return output


def test_what_the_reference_gives_is_right() -> None:
    assert wrong_rows(written(), PLAN, PAYMENTS) == 0


def test_a_wrong_value_a_lost_row_and_a_row_too_many_are_found() -> None:
    value, lost, twice, gap = written(), written(), written(), written()
    value.sampled[7] = value.sampled[7] | {"amount_sum_6h": -1.0}
    lost.places.popitem()
    lost.rows -= 1
    twice.rows += 1
    gap.newest["19"] += 1
    for output in (value, lost, twice, gap):
        assert wrong_rows(output, PLAN, PAYMENTS) > 0


def test_values_are_compared_where_both_windows_hold_the_same_events() -> None:
    ours, theirs = written(), written()
    place, (count, amount) = theirs.places.popitem()
    assert unlike(ours, theirs) == (len(PAYMENTS) - 1, 1)  # one has no value of theirs
    theirs.places[place] = count - 1, amount - 5  # a tile's edge lengthens our window
    assert unlike(ours, theirs) == (len(PAYMENTS) - 1, 0)
    theirs.places[place] = count + 1, amount
    assert unlike(ours, theirs) == (len(PAYMENTS) - 1, 1)
    theirs.places[place] = count, amount * (1 + 1e-8)
    assert unlike(ours, theirs) == (len(PAYMENTS), 1)


def test_time_is_that_of_the_last_four_fifths() -> None:
    assert Output(moments=[1_000, 9_000, 3_000, 2_000, 2_500]).seconds == 7.0


@pytest.mark.parametrize("size", SIZES)
def test_each_case_of_one_window_stands_behind_the_jobs_that_it_is_compared_with(size: str) -> None:
    cases = SIZES[size].cases
    named = Counter((case.workload, case.name) for case in cases)
    assert max(named.values()) == 1
    for over in (case for case in cases if case.system == SQL):
        ours = replace(over, system=OURS)
        assert cases.index(over) < cases.index(ours)
        assert replace(over, system=FLOOR, windows=0) in cases
        assert replace(ours, windows=5) in cases


def test_throughput_is_put_beside_that_of_the_same_work() -> None:
    held = [("a", FLOOR, 100.0), ("a", SQL, 30.0), ("a", OURS, 60.0), ("b", OURS, 50.0)]
    found = ratios([Result(work, system, "events", rate, "1/s") for work, system, rate in held])
    assert [(r.workload, r.metric, r.value) for r in found] == [
        ("a", "of the copying job", 60.0),
        ("a", "of OVER", 200.0),
    ]


def test_a_stack_counts_where_its_innermost_known_frame_is() -> None:
    def node(name: str, value: int, *children: dict[str, object]) -> dict[str, object]:
        return {"name": name, "value": value, "children": list(children)}

    row = node("io.augury.streams.Windows.row:150", 3, node("java.util.ArrayList.get:1", 1))
    state = node("org.apache.flink.runtime.state.heap.HeapValueState.value:70", 2)
    graph = node("root", 10, node("io.augury.streams.Windows.apply:60", 8, row, state))
    assert shares(graph) == {"windows: row": 3, "windows: state": 2, "windows": 3, "Flink": 2}
