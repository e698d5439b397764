import pytest

from benchmarks.common import Result
from benchmarks.faults import BAD, Run, failed, totals
from benchmarks.faults_cases import Size, away, killed
from benchmarks.faults_load import Found, Ledger
from benchmarks.faults_world import site

FOUND = Found(1.0, 1, (0, 0), [1.0])


@pytest.mark.stack
def test_kills_and_outages_under_load_lose_and_double_nothing() -> None:
    with site() as at:
        run = Run(at, Size(rate=20.0, away_s=2.0, bad=20, rounds=1))
        run.start()
        for fault in (killed("http"), killed("worker"), away("redis"), away("kafka")):
            run.endure(fault)
        checks = run.finish()
    whole = totals(run, run.figures, checks)
    assert [r for r in whole if r.metric in BAD and r.value] == []
    assert not failed(whole)
    held = {(r.system, r.metric): r.value for r in checks}
    assert held["HTTP", "answers"] > 100
    assert held["Kafka", "answers"] == held["Kafka", "requests"] > 100
    assert held["feature rows", "written"] > 50


@pytest.mark.parametrize("metric", BAD)
def test_one_figure_that_should_be_none_fails_the_run(metric: str) -> None:
    def whole(value: int) -> list[Result]:
        return [Result("w", "s", name, value if name == metric else 0, "") for name in BAD]

    assert failed(whole(1))
    assert not failed(whole(0))


def test_a_ledger_is_settled_up_to_the_first_request_without_an_end() -> None:
    ledger = Ledger("x-")
    ledger.answered(0, FOUND)
    ledger.refusals[1] = "busy"
    ledger.answered(3, FOUND)
    assert (ledger.settled(), ledger.newest) == (2, 3)
    ledger.hung[2] = "no answer"
    assert ledger.settled() == 4


def test_a_pause_is_the_longest_time_without_an_answer() -> None:
    ledger = Ledger("x-")
    ledger.times = [0.5, 1.0, 4.0, 4.5, 9.0]
    assert ledger.pause(1.5, 5.0) == 2.5
    assert ledger.pause(5.0, 8.0) == 3.0
