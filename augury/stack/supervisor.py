"""The supervisor: starts parts side by side, awaits each, and ends all of them.

It keeps nothing in memory that another process would need: each part has a pid file under the home folder, so
the parts outlive the process that started them, and any later supervisor of the same folder can take over.
"""

import contextlib
import fcntl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import psutil

from augury.settings import LOOPBACK, child_environment
from augury.stack.part import Part, PartError, PartStatus, State
from augury.stack.processes import Tracked, end, exit_status, holder, memory, spawn, tail

PATIENCE = 180.0  # seconds that a part may take to become ready on a busy machine
Report = Callable[[str, State], None]


def silent(_name: str, _state: State) -> None:
    """Report nothing."""


class Supervisor:
    """Runs `parts` with their pid files and logs under `home`. `clock` gives ms since the epoch."""

    def __init__(self, parts: Sequence[Part], home: Path, clock: Callable[[], int]) -> None:
        self.parts = {part.name: part for part in parts}
        self._home = home
        self._clock = clock
        self._abandoned = threading.Event()

    def start(self, names: Iterable[str], report: Report = silent) -> None:
        """Start those of the named parts that do not run, and await them all.

        Raises PartError where one cannot be started; what this call had started is then ended again.
        """
        with self._alone():
            wanted = [part for part in self.parts.values() if part.name in set(names)]
            missing = [part for part in wanted if self._process(part.name) is None]
            for part in missing:
                self._require_ports(part)
            self._abandoned.clear()
            try:
                with ThreadPoolExecutor(len(wanted) or 1) as pool:
                    self._await(pool, wanted, missing, report)
            except BaseException:
                self._end([part.name for part in missing])
                raise

    def stop(self, names: Iterable[str], report: Report = silent) -> None:
        """End the named parts and all they started: dependents first, the others side by side."""
        with self._alone():
            self._end(names, report)

    def kill(self, name: str) -> None:
        """End one part by SIGKILL, as a crash would; its state stays as it was left."""
        tracked = self._tracked(name)
        if tracked is not None:
            end(tracked, 0)

    def died(self) -> list[str]:
        """Return the parts that were started and have ended without being told to."""
        return [name for name in self.parts if self._tracked(name) and self._process(name) is None]

    def obituary(self, name: str) -> str:
        """Return the sentence that names a dead part, and the end of its log."""
        log, tracked = self.log(name), self._tracked(name)
        status = None if tracked is None else exit_status(tracked)
        how = "" if status is None else f" with status {status}"
        return f"{name} ended{how}; the end of its log, {log}:\n{tail(log)}"

    def status(self) -> list[PartStatus]:
        """Return what each part is doing now."""
        with ThreadPoolExecutor(len(self.parts)) as pool:
            return list(pool.map(self._status, self.parts.values()))

    def log(self, name: str) -> Path:
        """Return the file with a part's output since its last start; `.1` beside it is the one before."""
        return self._home / "logs" / f"{name}.log"

    def _await(
        self, pool: ThreadPoolExecutor, wanted: Sequence[Part], missing: Sequence[Part], report: Report
    ) -> None:
        spawned = {part.name: threading.Event() for part in missing}
        waits = [
            pool.submit(self._bring_up, part, spawned if part in missing else None, report) for part in wanted
        ]
        try:
            for future in as_completed(waits):
                future.result()
        except BaseException:
            self._abandoned.set()  # the other threads stop waiting
            raise

    def _bring_up(self, part: Part, spawned: dict[str, threading.Event] | None, report: Report) -> None:
        report(part.name, "starting")
        if spawned is not None:
            for other in part.after:
                while other in spawned and not spawned[other].wait(0.1):
                    if self._abandoned.is_set():
                        return
            part.prepare()
            self._spawn(part)
            spawned[part.name].set()
        deadline, left = time.monotonic() + PATIENCE, 0 if spawned is None else part.starts - 1
        while not self._abandoned.is_set():
            process = self._process(part.name)
            if process is None and left:
                left -= 1
                self._spawn(part)
                continue
            if process is None:
                report(part.name, "died")
                raise PartError(self.obituary(part.name))
            if _ready(part, process):
                report(part.name, "up")
                return
            if time.monotonic() > deadline:
                late = f"{part.name} is not ready after {PATIENCE:.0f} s; the end of its log"
                raise PartError(f"{late}, {self.log(part.name)}:\n{tail(self.log(part.name))}")
            self._abandoned.wait(0.1)

    def _spawn(self, part: Part) -> None:
        log = self.log(part.name)
        log.parent.mkdir(parents=True, exist_ok=True)
        if log.exists():
            log.replace(log.with_suffix(".log.1"))
        tracked = spawn(part.command, self._home, child_environment(**part.env), log)
        tracked.write(self._pid_file(part.name))

    def _end(self, names: Iterable[str], report: Report = silent) -> None:
        left = set(names)
        while left:
            dependents = {name for name in left if not any(name in self.parts[other].after for other in left)}
            with ThreadPoolExecutor(len(dependents)) as pool:
                for name in pool.map(self._end_one, sorted(dependents)):
                    report(name, "down")
            left -= dependents

    def _end_one(self, name: str) -> str:
        tracked = self._tracked(name)
        if tracked is not None:
            end(tracked, self.parts[name].grace)
            self._pid_file(name).unlink(missing_ok=True)
        return name

    def _require_ports(self, part: Part) -> None:
        for setting, port in part.ports.items():
            who = holder(LOOPBACK, port)
            if who is not None:
                raise PartError(
                    f"{part.name} needs port {port} and {who} holds it; "
                    f"end that process or set AUGURY_{setting.upper()} to another port"
                )

    def _status(self, part: Part) -> PartStatus:
        tracked, process = self._tracked(part.name), self._process(part.name)
        log = str(self.log(part.name))
        if tracked is None or process is None:
            state: State = "died" if tracked else "down"
            return PartStatus(part.name, state, part.address, None, 0, 0.0, log)
        uptime = max(0.0, self._clock() / 1000 - tracked.started)
        state = "up" if _ready(part, process) else "starting"
        return PartStatus(part.name, state, part.address, tracked.pid, memory(tracked), uptime, log)

    def _process(self, name: str) -> psutil.Process | None:
        tracked = self._tracked(name)
        if tracked is None or exit_status(tracked) is not None:
            return None
        return tracked.process()

    def _tracked(self, name: str) -> Tracked | None:
        return Tracked.read(self._pid_file(name))

    def _pid_file(self, name: str) -> Path:
        return self._home / "run" / f"{name}.pid"

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the folder's lock, so that two shells do not start or stop the same parts at once."""
        lock = self._home / "run" / "lock"
        lock.parent.mkdir(parents=True, exist_ok=True)
        with lock.open("w") as opened:
            fcntl.flock(opened, fcntl.LOCK_EX)
            yield


def _ready(part: Part, process: psutil.Process) -> bool:
    try:
        return part.ready(process)
    except OSError:
        return False
