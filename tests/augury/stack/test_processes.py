import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from augury.settings import LOOPBACK, free_ports
from augury.stack.processes import Tracked, alive, end, holder, memory, tail

PARENT = """
import signal, subprocess, sys, time
if "deaf" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; print('ready', flush=True); time.sleep(600)"])
time.sleep(600)
"""
LISTENER = """
import socket, sys, time
taken = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("ready", flush=True)
time.sleep(600)
"""


@pytest.fixture(params=["", "deaf"])
def parent(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[bytes]]:
    """A process with a child, that heeds SIGTERM or does not."""
    command = [sys.executable, "-c", PARENT, request.param]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == b"ready\n"
        try:
            yield started
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(started.pid, signal.SIGKILL)


def test_the_end_of_a_process_is_its_childrens_end(parent: subprocess.Popen[bytes]) -> None:
    tracked = Tracked.of(parent.pid)
    children = psutil.Process(parent.pid).children(recursive=True)
    assert children
    assert memory(tracked) > 1_000_000
    end(tracked, 1.0)
    assert tracked.process() is None
    assert not any(alive(child) for child in children)


def test_children_are_found_after_their_parents_death(parent: subprocess.Popen[bytes]) -> None:
    tracked = Tracked.of(parent.pid)
    (child,) = psutil.Process(parent.pid).children()
    parent.kill()
    parent.wait()
    end(tracked, 1.0)
    assert not alive(child)


def test_a_pid_that_was_given_out_again_is_not_the_process(tmp_path: Path) -> None:
    ours = Tracked.of(os.getpid())
    older = Tracked(ours.pid, ours.started - 3_600)
    assert ours.process() is not None
    assert older.process() is None
    assert older.family() == []
    end(older, 1.0)  # would end this test


def test_an_identity_is_kept_in_a_file(tmp_path: Path) -> None:
    file, ours = tmp_path / "part.pid", Tracked.of(os.getpid())
    assert Tracked.read(file) is None
    ours.write(file)
    assert Tracked.read(file) == ours
    file.write_text("12")
    assert Tracked.read(file) is None


def test_a_zombie_has_ended() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        tracked = Tracked.of(child.pid)
        child.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert tracked.process() is None


def test_the_holder_of_a_port_is_named() -> None:
    (port,) = free_ports(1)
    assert holder(LOOPBACK, port) is None
    with subprocess.Popen([sys.executable, "-c", LISTENER, str(port)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        named = holder(LOOPBACK, port)
        child.kill()
    assert named is not None
    assert named.startswith(f"pid {child.pid} ({sys.executable}")


def test_the_end_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert tail(log) == "(no log)"
    log.write_text("")
    assert tail(log) == "(the log is empty)"
    log.write_text("".join(f"line {number}\n" for number in range(10_000)))
    assert tail(log, 2) == "line 9998\nline 9999"
