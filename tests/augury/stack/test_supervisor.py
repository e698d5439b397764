"""The supervisor, on small real servers of Python's own."""

import gc
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from augury.clock import wall_ms
from augury.settings import LOOPBACK, free_ports
from augury.stack.part import Part, PartError
from augury.stack.probes import get
from augury.stack.supervisor import Supervisor


def server(name: str, port: int, *after: str) -> Part:
    def ready(_process: psutil.Process) -> bool:
        return bool(get(port, "/"))

    command = (sys.executable, "-m", "http.server", str(port), "--bind", LOOPBACK)
    return Part(name, command, ready, f"http://{LOOPBACK}:{port}", {"a_port": port}, after=after)


def failing(name: str) -> Part:
    command = (sys.executable, "-c", "import sys; sys.exit('no such disk')")
    return Part(name, command, lambda _process: False, "", {})


@pytest.fixture
def pair(tmp_path: Path) -> Supervisor:
    first, second = free_ports(2)
    return Supervisor([server("first", first), server("second", second, "first")], tmp_path, wall_ms)


def states(supervisor: Supervisor) -> dict[str, str]:
    return {part.name: part.state for part in supervisor.status()}


def test_parts_come_up_and_go_down(pair: Supervisor) -> None:
    seen: list[tuple[str, str]] = []
    assert states(pair) == {"first": "down", "second": "down"}
    pair.start(pair.parts, lambda name, state: seen.append((name, state)))
    try:
        first, second = pair.status()
        assert (first.state, second.state) == ("up", "up")
        assert first.rss > 1_000_000
        assert first.uptime > 0
        pair.start(pair.parts)  # again: what runs is left alone
        assert [part.pid for part in pair.status()] == [first.pid, second.pid]
    finally:
        pair.stop(pair.parts, lambda name, state: seen.append((name, state)))
    assert states(pair) == {"first": "down", "second": "down"}
    assert not any(psutil.pid_exists(part.pid) for part in (first, second) if part.pid)
    assert seen[-2:] == [("second", "down"), ("first", "down")]  # the dependent goes first


def test_another_process_takes_over_by_the_pid_files(pair: Supervisor, tmp_path: Path) -> None:
    pair.start(pair.parts)
    other = Supervisor(list(pair.parts.values()), tmp_path, wall_ms)
    assert states(other) == {"first": "up", "second": "up"}
    other.stop(other.parts)
    assert states(pair) == {"first": "down", "second": "down"}


@pytest.mark.parametrize("restarts", [False, True])
def test_whoever_ends_a_part_its_handle_warns_of_nothing_and_no_zombie_stays(
    tmp_path: Path, restarts: bool, recwarn: pytest.WarningsRecorder
) -> None:
    (port,) = free_ports(1)
    first, other = (Supervisor([server("one", port)], tmp_path, wall_ms) for _ in range(2))
    first.start(first.parts)
    try:
        pids = {part.pid for part in first.status()}
        if restarts:
            other.kill("one")
            other.start(["one"])
            pids |= {part.pid for part in other.status()}
        else:
            other.stop(other.parts)
    finally:
        first.stop(first.parts)
    assert not pids & {child.pid for child in psutil.Process().children()}
    del first, other
    gc.collect()
    assert recwarn.list == []


def test_a_supervisor_may_be_dropped_while_its_parts_run(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    (port,) = free_ports(1)
    first, other = (Supervisor([server("one", port)], tmp_path, wall_ms) for _ in range(2))
    try:
        first.start(first.parts)
        del first
        gc.collect()
        assert recwarn.list == []
        assert states(other) == {"one": "up"}
    finally:
        other.stop(other.parts)


def test_a_part_that_dies_at_the_start_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    supervisor = Supervisor([server("good", port), failing("bad")], tmp_path, wall_ms)
    with pytest.raises(PartError, match=r"(?s)^bad ended with status 1; .*bad\.log:\nno such disk"):
        supervisor.start(supervisor.parts)
    assert states(supervisor) == {"good": "down", "bad": "down"}


def test_a_part_may_be_started_again_where_it_ends_before_it_is_ready(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    mark = tmp_path / "tried"
    fails_once = (
        f"from pathlib import Path; p = Path({str(mark)!r}); n = p.exists(); p.touch(); n or exit(3)\n"
    )
    serves = f"import http.server as s; s.test(s.SimpleHTTPRequestHandler, port={port}, bind={LOOPBACK!r})"
    part = replace(server("shy", port), command=(sys.executable, "-c", fails_once + serves))
    supervisor = Supervisor([part], tmp_path, wall_ms)
    with pytest.raises(PartError, match="shy ended with status 3"):
        supervisor.start(["shy"])
    mark.unlink()
    patient = Supervisor([replace(part, starts=2)], tmp_path, wall_ms)
    patient.start(["shy"])
    try:
        assert states(patient) == {"shy": "up"}
    finally:
        patient.stop(["shy"])


def test_a_part_that_dies_later_is_named_and_can_be_started_again(pair: Supervisor) -> None:
    pair.start(pair.parts)
    try:
        pair.kill("first")
        assert pair.died() == ["first"]
        assert states(pair) == {"first": "died", "second": "up"}
        assert "first ended with status -9" in pair.obituary("first")
        pair.start(["first"])
        assert states(pair) == {"first": "up", "second": "up"}
    finally:
        pair.stop(pair.parts)


def test_a_taken_port_names_its_holder_and_the_setting(pair: Supervisor, tmp_path: Path) -> None:
    pair.start(pair.parts)
    try:
        rival = Supervisor(list(pair.parts.values()), tmp_path / "rival", wall_ms)
        with pytest.raises(
            PartError, match=r"first needs port \d+ and pid \d+ \(.*http\.server.*AUGURY_A_PORT"
        ):
            rival.start(rival.parts)
    finally:
        pair.stop(pair.parts)


def test_the_log_of_the_start_before_is_kept(tmp_path: Path) -> None:
    supervisor = Supervisor([failing("bad")], tmp_path, wall_ms)
    for _ in range(2):
        with pytest.raises(PartError):
            supervisor.start(supervisor.parts)
    assert supervisor.log("bad").with_suffix(".log.1").read_text() == "no such disk\n"
