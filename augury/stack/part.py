"""A part of the stack: one server process, and what is known about it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import psutil

State = Literal["down", "starting", "up", "died"]


class PartError(RuntimeError):
    """A part cannot start, did not become ready or died; the text names it and ends with its log's end."""


def nothing() -> None:
    """Prepare nothing."""


@dataclass(frozen=True)
class Part:
    """How one server is run.

    `ready` is asked of the running process until it answers True; it may raise OSError while nothing listens.
    `ports` maps the name of a setting to the loopback port that it gives the part. `prepare` runs before
    each start. A part in `after` is started before this one and stopped after it. One that ends before it is
    ready is started `starts` times in all. It has `grace` seconds to end after SIGTERM.
    """

    name: str
    command: tuple[str, ...]
    ready: Callable[[psutil.Process], bool]
    address: str
    ports: Mapping[str, int]
    env: Mapping[str, str] = field(default_factory=dict, repr=False)  # holds credentials
    prepare: Callable[[], None] = nothing
    after: tuple[str, ...] = ()
    starts: int = 1
    grace: float = 20.0


@dataclass(frozen=True)
class PartStatus:
    """What a part is doing: resident memory in bytes (its children's too), uptime in seconds."""

    name: str
    state: State
    address: str
    pid: int | None
    rss: int
    uptime: float
    log: str
