from dataclasses import replace

import numpy as np
import pytest

from benchmarks.common import Result, warehouse
from benchmarks.trials import fraud
from benchmarks.trials_estimates import HELD, edge, holdouts, judged, unlike, worlds
from flows.metrics import metric


def figures(held: float, alarms: float) -> list[Result]:
    return [
        Result("estimate: auc", "Augury", "windows", 1_000, ""),
        Result("estimate: auc", "Augury", HELD, held, "%"),
        Result("estimate: auc", "stated", HELD, 95.0, "%"),
        Result("estimate: auc", "Augury", "false alarms, 3 a month", alarms, "%"),
        Result("estimate: auc", "stated", "false alarms, 3 a month", 10 / 3, "%"),
    ]


def test_intervals_that_hold_too_little_and_too_many_alarms_are_told() -> None:
    assert unlike(figures(100.0, 0.0)) == []
    assert unlike(figures(92.7, 5.2)) == []
    assert unlike(figures(92.6, 5.2)) == ["estimate: auc: held by the interval 92.6 %, where 95 % is stated"]
    (alarms,) = unlike(figures(92.7, 5.5))
    assert alarms.startswith("estimate: auc: false alarms, 3 a month 5.5 %")


def test_windows_are_worse_by_the_threshold_and_holdouts_are_measured_as_by_a_check() -> None:
    random = np.random.default_rng(3)
    with warehouse(memory_mb=1024) as running:
        for world in worlds():
            of = metric(world.metric, 0.1)
            tried = [world.draw(random, 300, False) for _ in range(12)]
            measured = holdouts(running.client, world.metric, tried)
            assert [m.value for m in measured] == pytest.approx([of(*drawn) for drawn in tried], abs=1e-9)
            assert {m.units for m in measured} == {300}
            assert edge(world) > 0
        results = judged(running.client, fraud(), replace(world, name="numbers"), 20, 1)
    assert {(r.system, r.metric): r.value for r in results if r.metric == "windows"} == {
        ("Augury", "windows"): 20
    }
    assert unlike(results) == []
