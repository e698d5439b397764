import numpy as np
import pytest

from augury.load.recorder import Recorder


def test_a_summary_has_percentiles_of_answers_and_counts_of_errors() -> None:
    recorder = Recorder()
    for ms in range(1, 1_001):
        recorder.add(ms / 1e3, None)
    recorder.add(9.0, "busy")
    recorder.add(9.0, "busy")
    summary = recorder.summary(elapsed=4.0)
    assert (summary.answered, summary.per_second, summary.errors) == (1_000, 250.0, {"busy": 2})
    assert summary.ms == {
        "p50": pytest.approx(500.5),
        "p90": pytest.approx(900.1),
        "p99": pytest.approx(990.01),
        "p99.9": pytest.approx(999.001),
        "max": pytest.approx(1_000),
    }
    assert np.allclose(recorder.latencies_ms, np.arange(1.0, 1_001))


def test_a_look_in_passing_is_at_the_last_answers() -> None:
    recorder = Recorder()
    assert recorder.recent_ms(50) == []
    for _ in range(5_000):
        recorder.add(5.0, None)
    for _ in range(1_000):
        recorder.add(0.002, None)
    assert recorder.recent_ms(50, 100) == [2.0, 2.0]


def test_a_run_without_answers_has_no_percentiles() -> None:
    recorder = Recorder()
    recorder.add(1.0, "connection")
    assert recorder.summary(1.0).ms == {}
    assert recorder.summary(0.0).per_second == 0.0
