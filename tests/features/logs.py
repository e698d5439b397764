"""Random logs for property tests, built of steps so that a failing one shrinks and can be pasted."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf, nan

from hypothesis import strategies as st

from features import FeatureGroup, Lookup, last, total
from features.compile import compile_group
from features.plan import BOUND, GroupPlan
from features.reference import LogRecord
from features.types import Row
from tests.definitions import CATALOGUE, aggregates, carrier, gate, landed, stand

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
START = 1_356_998_400_000  # a multiple of every hop, so that small gaps meet boundaries
GATHERED = ("landed", "landed_too", "landed_before")
ENTITIES = {"carrier": carrier, "gate": gate, "stand": stand}


@dataclass(frozen=True)
class Step:
    """One record: `gap` ms after the one before, stamped `behind` ms earlier, of an event `late` ms old."""

    gap: int = 0
    behind: int = 0
    late: int = 0
    partition: int = 0
    id: int | None = None  # None: an id of its own
    carrier: str | None = "A"
    gate: int | None = 1
    delay: float | None = None
    seats: int | None = None
    diverted: bool = False
    tick: bool = False


@dataclass(frozen=True)
class Case:
    """Some of the catalogue over windows (size, hop), None for the lifetime; and a log of the source.

    Where `gathered`, each partition is a source of its own: the group takes the events of two as one, and
    looks values up in the third.
    """

    windows: tuple[tuple[str, str | None] | None, ...]
    aggregates: tuple[str, ...]
    steps: tuple[Step, ...]
    entity: str = "carrier"
    partitions: int = 1
    dedup: str = "1h"
    start: int = START
    gathered: bool = False

    @property
    def group(self) -> FeatureGroup:
        """The group, with `where`, row columns and derived features."""
        names = ("count", *(name for name in self.aggregates if name != "count"))
        chosen = []
        for i, window in enumerate(self.windows):
            over, hop = window or (None, None)
            chosen += aggregates(names, over, hop, f"w{i}")
        group = FeatureGroup(
            "random",
            version=1,
            entity=ENTITIES[self.entity],
            source=landed(self.partitions, self.dedup),
            aggregates=chosen,
            where="not diverted or seats > 2",
            columns={"late": "delay > 15 and seats > 2"},
            derived={"few": "least(count_w0, 2) + 1", "rest": "1 / nullif(count_w0 - few, 0)"},
        )
        return self._gather(group) if self.gathered else group

    def _gather(self, group: FeatureGroup) -> FeatureGroup:
        first, second, third = (replace(landed(1, self.dedup), name=name) for name in GATHERED)
        looked_up = {"their_delay": "delay", "their_gate": "gate", "their_carrier": "carrier"}
        return replace(
            group,
            source=[first, second],
            lookups=[Lookup(third, on={"carrier": "carrier", "diverted": "diverted"}, columns=looked_up)],
            where=f"({group.where}) and coalesce(their_gate, 0) <> -2",
            aggregates=[
                *group.aggregates,
                last("their_delay", over="1h", hop="30m"),
                last("their_carrier"),
                total("their_gate"),
            ],
        )

    @property
    def plan(self) -> GroupPlan:
        """The group, compiled."""
        return compile_group(self.group)

    @property
    def records(self) -> list[LogRecord]:
        """The log."""
        if not self.gathered:
            return log(self.steps, self.partitions, self.start)
        found = log(self.steps, len(GATHERED), self.start)
        return [replace(r, topic=GATHERED[r.partition], partition=0) for r in found]

    @property
    def end(self) -> int:
        """The latest Kafka time (ms)."""
        return self.start + sum(step.gap for step in self.steps)


def log(steps: Sequence[Step], partitions: int = 1, start: int = START) -> list[LogRecord]:
    """Write the steps to a log, offsets counted by partition."""
    clock = start
    offsets = dict.fromkeys(range(partitions), 0)
    records = []
    for number, step in enumerate(steps):
        clock += step.gap
        kafka_time = max(0, clock - step.behind)
        partition = step.partition % partitions
        row: Row = {
            "id": f"own{number}" if step.id is None else f"id{step.id}",
            "landed_at": kafka_time - step.late,
            "carrier": step.carrier,
            "gate": step.gate,
            "delay": step.delay,
            "seats": step.seats,
            "diverted": step.diverted,
            "due": None,
        }
        value = None if step.tick else row
        records.append(LogRecord("landed", partition, offsets[partition], kafka_time, value))
        offsets[partition] += 1
    return records


_DELAYS = st.sampled_from([15.5, 0.1, -0.0, 0.0000005, -7.25, float(BOUND), -2.0 * BOUND, nan, inf, None])
_steps = st.builds(
    Step,
    gap=st.sampled_from([0, 1, SECOND, MINUTE - 1, MINUTE, HOUR // 2, HOUR, HOUR + 1, 2 * HOUR, DAY]),
    behind=st.sampled_from([0, 0, 0, 1, SECOND, HOUR]),
    late=st.sampled_from([0, 0, 0, 1, MINUTE, HOUR // 2 - 1, HOUR, 5 * HOUR, 400 * DAY, -10 * SECOND]),
    partition=st.integers(0, 2),
    id=st.none() | st.integers(0, 3),
    carrier=st.sampled_from(["A", "A", "B|\\", "", "ü日", None]),
    gate=st.sampled_from([1, 1, -2, None]),
    delay=_DELAYS | st.floats(-50, 50).map(lambda x: round(x, 8)),
    seats=st.sampled_from([3, 1, -7, BOUND, BOUND + 1, None]),
    diverted=st.sampled_from([False, False, False, True]),
    tick=st.sampled_from([False] * 9 + [True]),
)
streams = st.lists(_steps, min_size=1, max_size=60).map(tuple)
_windows = st.sampled_from([("1h", "30m"), ("1h", None), ("90m", "30m"), ("6h", None), ("2s", "1s"), None])
cases = st.builds(
    Case,
    windows=st.lists(_windows, min_size=1, max_size=2, unique=True).map(tuple),
    aggregates=st.lists(st.sampled_from(list(CATALOGUE)), max_size=4, unique=True).map(tuple),
    steps=streams,
    entity=st.sampled_from(list(ENTITIES)),
    partitions=st.sampled_from([1, 3]),
    dedup=st.sampled_from(["1h", "1s"]),
    start=st.sampled_from([START, 0]),
    gathered=st.sampled_from([False, False, True]),
)
