import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.common import Result, warehouse
from benchmarks.drift import (
    DAY,
    SIZES,
    START,
    TABLE,
    VERSION,
    Work,
    alarms,
    binned,
    export_days,
    failed,
    generate,
    project,
)
from flows.check import check
from flows.reference import freeze

WORK = Work(features=3, reference=3_000, rows=1_000, quiet=2, drifting=1)


def test_the_data_drift_where_they_should_and_bins_that_differ_are_found(tmp_path: Path) -> None:
    defined, policy = project(3)
    with warehouse(memory_mb=1024) as running:
        client = running.client
        generate(client, defined, WORK)
        export_days(client, WORK, tmp_path)
        freeze(client, defined, "fraud", "benchmark", TABLE, [0.0], [0.0])
        reports = [check(client, defined, policy, VERSION, START + (day + 1) * DAY) for day in range(1, 4)]
    assert [{f.reference.feature for f in r.drifted} for r in reports] == [set(), set(), {"x0", "x1"}]
    assert {f.rows for r in reports for f in r.findings} == {1_000}
    assert all(0 < f.missing_share < 0.05 for f in reports[0].findings)
    assert [binned(tmp_path / f"day_000{day}.parquet", reports[day - 1]) for day in (1, 2, 3)] == [0, 0, 0]
    finding = reports[0].findings[0]
    moved = replace(finding, counts=(finding.counts[0] + 1, finding.counts[1] - 1, *finding.counts[2:]))
    assert binned(tmp_path / "day_0001.parquet", replace(reports[0], findings=(moved,))) == 2


def test_a_category_drifts_where_it_should_and_levels_that_differ_are_found(tmp_path: Path) -> None:
    work = Work(features=1, reference=5_000, rows=1_000, quiet=2, drifting=1, levels=200)
    defined, policy = project(1, levels=200)
    with warehouse(memory_mb=1024) as running:
        client = running.client
        generate(client, defined, work)
        export_days(client, work, tmp_path)
        freeze(client, defined, "fraud", "benchmark", TABLE, [0.0], [0.0])
        reports = [check(client, defined, policy, VERSION, START + (day + 1) * DAY) for day in range(1, 4)]
    assert [[f.reference.feature for f in r.drifted] for r in reports] == [[], [], ["x0"]]
    (finding,) = reports[2].findings
    assert (finding.reference.method, finding.reference.bins.size, finding.rows) == (
        "chi-squared",
        202,
        1_000,
    )
    first_tenth = sum(
        n
        for level, n in zip(finding.reference.bins.levels or (), finding.counts[:-2], strict=True)
        if int(level.removeprefix("level ")) < 20
    )
    assert first_tenth == pytest.approx(280, abs=60)  # a fifth of the rows, and a tenth of the others
    assert [binned(tmp_path / f"day_000{day}.parquet", reports[day - 1]) for day in (1, 2, 3)] == [0, 0, 0]
    moved = replace(finding, counts=(finding.counts[0] + 1, finding.counts[1] - 1, *finding.counts[2:]))
    assert binned(tmp_path / "day_0003.parquet", replace(reports[2], findings=(moved,))) == 2


def test_what_counts_as_an_alarm_and_what_fails_the_benchmark() -> None:
    work = replace(WORK, quiet=40, drifting=10)
    right = [[]] * 39 + [["x2"]] + [["x0"]] * 9 + [["x2"]]
    results = alarms(work, "Augury", right)
    assert {r.metric: r.value for r in results} == {
        "false alarms": 1,
        "days without drift": 40,
        "drift found": 90,
    }
    assert not failed(results)
    assert failed([*results, Result(work.name, "Augury", "bins that NumPy counts otherwise", 1, "")])
    assert failed(alarms(work, "Augury", [["x2"]] * 6 + right[6:]))
    assert failed(alarms(work, "Augury", [*right[:-2], [], []]))
    assert failed(alarms(work, "Evidently", right))
    with pytest.raises(ValueError, match="50 days is judged"):
        alarms(work, "Evidently", json.loads("[]"))


def timed(work: Work, seconds: float, reading: float) -> list[Result]:
    return [
        Result(work.name, "Augury", "time", seconds, "s"),
        Result(work.name, "Augury", "CPU", 100.0, "s"),
        Result(work.name, "reading alone", "time", reading, "s"),
    ]


def test_a_check_that_takes_longer_than_is_promised_fails_the_benchmark() -> None:
    million, ten_million, *_ = SIZES["full"]
    assert (million.rows, ten_million.rows) == (1_000_000, 10_000_000)
    assert failed(timed(million, 4.99, 1.0)) == []
    (late,) = failed(timed(million, 5.0, 4.0))
    assert "time 5 s, not less than 5" in late
    assert failed(timed(ten_million, 45.0, 30.0)) == []
    (slow,) = failed(timed(ten_million, 45.1, 30.0))
    assert "more than 1.5 times the 30 s of reading alone" in slow
    assert failed(timed(ten_million, 45.0, 30.0)[:2]) != []  # nothing was read alone
    assert failed(timed(SIZES["quick"][0], 1_000.0, 1.0)) == []
