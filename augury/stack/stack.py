"""The stack as a whole."""

from collections.abc import Callable
from typing import Self

from augury.clock import wall_ms
from augury.settings import Settings
from augury.stack.flink import job_manager, task_manager
from augury.stack.jars import fetch
from augury.stack.kafka import kafka
from augury.stack.part import PartError, PartStatus
from augury.stack.prefect import prefect
from augury.stack.redis import redis
from augury.stack.registry import registry
from augury.stack.services import services
from augury.stack.supervisor import Report, Supervisor, silent
from augury.stack.warehouse import warehouse


class Stack:
    """Every server that Augury needs, with its state under `settings.home`.

    As a context manager it is up inside and down after. `parts` names those to run; all where it is None.
    Augury's own services run for the project that `serve` was given last; they go down with the servers.
    Each method raises augury.stack.PartError with the part's name and the end of its log.
    """

    def __init__(
        self, settings: Settings, clock: Callable[[], int] = wall_ms, parts: tuple[str, ...] | None = None
    ) -> None:
        self.settings = settings
        makers = (kafka, registry, redis, job_manager, task_manager, warehouse, prefect)
        known = [make(settings) for make in makers]
        unknown = set(parts or ()) - {part.name for part in known}
        if unknown:
            raise ValueError(f"the stack has no part {sorted(unknown)}: {[part.name for part in known]}")
        self._servers = [part for part in known if parts is None or part.name in parts]
        self._clock = clock
        self._project = settings.home / "project"
        self.supervisor = self._supervise(self._project.read_text() if self._project.is_file() else None)

    def up(self, report: Report = silent) -> None:
        """Fetch the jars if need be, start what does not run, and return when every part is ready."""
        fetch(self.settings)
        self.supervisor.start([part.name for part in self._servers], report)

    def serve(self, project: str, report: Report = silent) -> None:
        """Start Augury's services for a project (a module's name), and await them.

        Services that run already are started anew, for they hold the definitions of their own start.
        """
        servers = {part.name for part in self._servers}
        down = [part.name for part in self.status() if part.name in servers and part.state == "down"]
        if down:
            raise PartError(f"services need the servers, and {', '.join(down)} are not up: run `augury up`")
        own = {part.name: part for part in services(self.settings, project)}
        self._project.write_text(project)
        self.supervisor.parts.update(own)
        self.supervisor.stop(own)
        self.supervisor.start(own, report)

    def down(self, report: Report = silent) -> None:
        """End every part and all that it started; state stays."""
        self.supervisor.stop(self.supervisor.parts, report)

    def start(self, part: str) -> None:
        """Start one part, and await it."""
        self.supervisor.start([part])

    def stop(self, part: str) -> None:
        """End one part as `down` would."""
        self.supervisor.stop([part])

    def kill(self, part: str) -> None:
        """End one part by SIGKILL; `start` brings it back."""
        self.supervisor.kill(part)

    def status(self) -> list[PartStatus]:
        """Return what each part is doing now."""
        return self.supervisor.status()

    def _supervise(self, project: str | None) -> Supervisor:
        own = [] if project is None else services(self.settings, project)
        return Supervisor([*self._servers, *own], self.settings.home, self._clock)

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(self, *_error: object) -> None:
        self.down()
