"""What is measured in a run of each size."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

OURS, FLOOR, SQL = "Augury", "copying job", "Flink SQL OVER"
_M, _K = 1_000_000, 1_000


@dataclass(frozen=True)
class Case:
    """One drain of a backlog; the copying job has no window, and OVER has one."""

    system: str
    events: int
    entities: int
    windows: int
    backend: str = "hashmap"
    parallelism: int = 1

    @property
    def workload(self) -> str:
        """What is done, in words; alike for systems that are compared."""
        store = "heap" if self.backend == "hashmap" else self.backend
        return f"{short(self.entities)} entities, {store}, parallelism {self.parallelism}"

    @property
    def name(self) -> str:
        """The system, with its windows."""
        if self.system != OURS:
            return self.system
        return f"{OURS}, {self.windows} window{'s' if self.windows > 1 else ''}"


@dataclass(frozen=True)
class Size:
    """The cases of a run, its latency's seconds (none where 0), and the memory (MiB) of its task manager."""

    cases: tuple[Case, ...]
    live_events: int
    live_entities: int
    live_s: float
    heap_mb: int
    managed_mb: int


def short(count: int) -> str:
    """Write a round number."""
    return f"{count // _M}M" if count >= _M else f"{count // _K}k"


def _beside(events: int, entities: int, windows: Iterable[int], **more: Any) -> list[Case]:  # noqa: ANN401
    """Give the group's job with so many windows, behind both others."""
    ours = [Case(OURS, events, entities, w, **more) for w in windows]
    return [Case(FLOOR, events, entities, 0, **more), Case(SQL, events, entities, 1, **more), *ours]


SIZES = {
    "quick": Size(
        (
            *_beside(200 * _K, _K, (1, 5)),
            *_beside(200 * _K, 100 * _K, (1, 5)),
            Case(OURS, 200 * _K, 100 * _K, 5, "rocksdb"),
        ),
        live_events=100 * _K,
        live_entities=10 * _K,
        live_s=15,
        heap_mb=1_536,
        managed_mb=512,
    ),
    "full": Size(
        (
            *_beside(500 * _K, _K, (1, 5)),
            *_beside(500 * _K, 100 * _K, (1, 2, 5, 8)),
            *_beside(500 * _K, 100 * _K, (1, 5), parallelism=2),
            *_beside(500 * _K, 100 * _K, (1, 5), backend="rocksdb"),
            Case(OURS, _M, _M, 1),
            Case(OURS, _M, _M, 5),
            Case(OURS, _M, _M, 5, "rocksdb"),
        ),
        live_events=500 * _K,
        live_entities=100 * _K,
        live_s=60,
        heap_mb=4_096,
        managed_mb=2_048,
    ),
    "large": Size(
        (Case(OURS, 10 * _M, 10 * _M, 1, "rocksdb"), Case(OURS, 10 * _M, 10 * _M, 1)),
        live_events=0,
        live_entities=0,
        live_s=0,
        heap_mb=10_240,
        managed_mb=2_048,
    ),
}
