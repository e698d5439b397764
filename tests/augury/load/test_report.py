from io import StringIO
from pathlib import Path

import numpy as np
from rich.console import Console

from augury.load.recorder import Recorder
from augury.load.report import summary_table, write_picture


def recorded() -> Recorder:
    recorder = Recorder()
    for seconds in np.random.default_rng(1).lognormal(-6, 0.5, 2_000):
        recorder.add(float(seconds), None)
    recorder.add(1.0, "busy")
    return recorder


def test_the_table_tells_latencies_and_errors_by_kind() -> None:
    console = Console(width=80, file=StringIO())
    with console.capture() as captured:
        console.print(summary_table(recorded().summary(2.0)))
    text = captured.get()
    assert "1,000.0" in text
    assert all(name in text for name in ("p50", "p90", "p99", "p99.9", "max", "busy"))


def test_the_picture_is_one_file_that_asks_for_no_other(tmp_path: Path) -> None:
    recorder = recorded()
    for name in ("run.svg", "run.html"):
        write_picture(tmp_path / name, "late by HTTP", recorder.summary(2.0), recorder.latencies_ms)
        text = (tmp_path / name).read_text()
        assert "<svg" in text
        assert "p99.9" in text
        assert "src=" not in text
    assert "busy" in (tmp_path / "run.html").read_text()
    assert (tmp_path / "run.svg").read_text().startswith("<svg")


def test_a_run_without_answers_can_be_drawn(tmp_path: Path) -> None:
    recorder = Recorder()
    recorder.add(1.0, "connection")
    write_picture(tmp_path / "run.html", "late", recorder.summary(1.0), recorder.latencies_ms)
    assert "connection" in (tmp_path / "run.html").read_text()
