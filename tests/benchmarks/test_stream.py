from collections import Counter
from dataclasses import replace

import pytest

from benchmarks.common import Result
from benchmarks.profile import shares
from benchmarks.stream import ratios
from benchmarks.stream_cases import FLOOR, OURS, SIZES, SQL


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
    assert shares(graph) == {"windows": 6, "state": 2, "Flink": 2}
