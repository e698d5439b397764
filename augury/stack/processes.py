"""Processes that outlive the one that started them: known by pid and start time, ended with all children."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

_CLOCK_STEP = 2.0  # seconds by which a start time may seem to move when the machine's clock is corrected


@dataclass(frozen=True)
class Tracked:
    """A process by its pid and start time (seconds since the epoch): a pid alone is given out again."""

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> "Tracked":
        """Return the identity of the process that runs now as `pid`; raise psutil.NoSuchProcess."""
        return cls(pid, psutil.Process(pid).create_time())

    @classmethod
    def read(cls, file: Path) -> "Tracked | None":
        """Return what `file` holds, or None where there is no file or no whole one."""
        try:
            pid, started = file.read_text().split()
            return cls(int(pid), float(started))
        except (FileNotFoundError, ValueError):
            return None

    def write(self, file: Path) -> None:
        """Write this identity to `file`, whole or not at all."""
        draft = file.with_suffix(".new")
        draft.write_text(f"{self.pid} {self.started}\n")
        draft.replace(file)

    def process(self) -> psutil.Process | None:
        """Return the process, or None when it has ended (a zombie has) or its pid is another's by now."""
        try:
            found = psutil.Process(self.pid)
            if abs(found.create_time() - self.started) > _CLOCK_STEP:
                return None
            return found if alive(found) else None
        except psutil.NoSuchProcess:
            return None

    def family(self) -> list[psutil.Process]:
        """Return the living processes that this one started, and itself.

        It leads its own process group, so that its children are found after its death too.
        """
        own = self.process()
        if own is None and _taken(self.pid):
            return []  # the pid is another's by now
        found: dict[int, psutil.Process] = {}
        if own is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                found = {each.pid: each for each in [own, *own.children(recursive=True)]}
        for each in psutil.process_iter():
            with contextlib.suppress(ProcessLookupError, PermissionError, psutil.NoSuchProcess):
                if os.getpgid(each.pid) == self.pid and alive(each):
                    found[each.pid] = each
        return list(found.values())


# Only their parent can take the exit status of processes, so their handles are this process's, whichever
# supervisor started or ends them: a handle that is dropped before would warn, and leave a zombie.
_children: dict[Tracked, "subprocess.Popen[bytes]"] = {}


def spawn(command: Sequence[str], folder: Path, environment: Mapping[str, str], log: Path) -> Tracked:
    """Start a program in `folder` with its output to `log`; it outlives this process."""
    with log.open("wb") as output:
        child = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # outlives the shell, and leads the group of all it starts
        )
    tracked = Tracked.of(child.pid)
    _children[tracked] = child
    return tracked


def exit_status(tracked: Tracked) -> int | None:
    """Return how a child of this process ended; None while it runs, and where another process started it."""
    child = _children.get(tracked)
    return None if child is None else child.poll()


def alive(process: psutil.Process) -> bool:
    """Tell whether a process still does anything: a zombie does while it has threads that are yet to end."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE or process.num_threads() > 1)
    except psutil.NoSuchProcess:
        return False


def _taken(pid: int) -> bool:
    try:
        return alive(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return False


def end(tracked: Tracked, grace: float) -> None:
    """End a process and all it started: SIGTERM to it, and after `grace` seconds SIGKILL to what is left."""
    family = tracked.family()
    own = tracked.process()
    if own is not None and grace > 0:
        with contextlib.suppress(psutil.NoSuchProcess):
            own.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + grace
        while tracked.process() is not None and time.monotonic() < deadline:
            time.sleep(0.02)
    left = {each.pid: each for each in [*family, *tracked.family()]}
    for each in left.values():
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()
    # Not psutil's wait: it would take the exit status of a child away from whoever started it.
    deadline = time.monotonic() + 10
    while any(alive(each) for each in left.values()) and time.monotonic() < deadline:
        time.sleep(0.01)
    exit_status(tracked)


def memory(tracked: Tracked) -> int:
    """Return the resident bytes of a process and its children."""
    total = 0
    own = tracked.process()
    if own is not None:
        with contextlib.suppress(psutil.NoSuchProcess):
            for each in [own, *own.children(recursive=True)]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    total += each.memory_info().rss
    return total


def holder(host: str, port: int) -> str | None:
    """Return who listens on a port ("pid 7 (redis-server --port 6379)"), or None when it is free to take."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            pass
        else:
            return None
    for connection in psutil.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,) and connection.pid:
            with contextlib.suppress(psutil.Error):
                words = " ".join(psutil.Process(connection.pid).cmdline()).split()
                return f"pid {connection.pid} ({' '.join(words)[:120]})"
    return "a process that this user may not see"


def tail(log: Path, lines: int = 20) -> str:
    """Return the last lines of a log, or a word that says there are none."""
    if not log.exists():
        return "(no log)"
    with log.open("rb") as opened:
        opened.seek(max(0, log.stat().st_size - 16_384))
        found = opened.read().decode(errors="replace").splitlines()[-lines:]
    return "\n".join(found) or "(the log is empty)"
