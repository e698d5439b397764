"""What an engine of feature rows is, and how the rows of one are held to those of the reference.

An engine is a function from logs, each of one group's source, to the rows of each group: those with
`event_timestamp` before the log's `until`, by entity, and within an entity as they were emitted.
"""

import random
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from features.plan import BOUND, GroupPlan
from features.project import load_project
from features.reference import LogRecord, rows
from features.types import Row
from tests.features.logs import DAY, HOUR, MINUTE, SECOND, Step, log

PROJECT = "tests.conformance.project"
Rows = list[dict[str, Any]]
PLANS = tuple(load_project(PROJECT).group_plans.values())


@dataclass(frozen=True)
class Log:
    """What the sources of a group hold, and the moment (ms) before which its rows are asked for.

    Several may stand one behind the other in one topic: the keys and ids of each begin with its `tag`.
    """

    plan: GroupPlan
    records: Sequence[LogRecord]
    until: int
    tag: str = ""

    def of(self, every: Rows) -> Rows:
        """Pick this log's own rows."""
        return [row for row in every if row["entity"][: row["entity"].find(":") + 1] == self.tag]


@dataclass(frozen=True)
class Origin:
    """Where a stream begins in its log: a time (ms), and the next offset of each partition.

    Keys and ids begin with `tag`, so that streams in one log share neither entities nor duplicates.
    """

    start: int = 0
    tag: str = ""
    offsets: Mapping[tuple[str, int], int] = field(default_factory=dict)


class Engine(Protocol):
    """The function, and where in the engine's logs a new stream has its place."""

    def place(self, steps: Sequence[Step]) -> list[Log]:
        """Give the logs of all groups of the project, with the stream alone."""

    def compute(self, logs: Sequence[Log]) -> list[Rows]:
        """Compute the rows."""


def placed(plan: GroupPlan, steps: Sequence[Step], origin: Origin) -> Log:
    """Give the log of a group's sources; what the contract keeps to a partition keeps to it.

    Where a group reads several sources, each takes the records of one partition.
    """
    several = len(plan.inputs) > 1
    offsets = dict(origin.offsets)
    records = []
    for record in log(steps, len(plan.inputs) if several else plan.source.partitions, origin.start):
        value, partition = record.value, 0 if several else record.partition
        source = plan.inputs[record.partition] if several else plan.source
        if value is not None:
            value = _tagged(value, origin.tag)
            if plan.order == "arrival" or source.dedup == "partition":
                key = value[source.partition_key]
                partition = zlib.crc32(str(key).encode()) % source.partitions
        place = (source.topic, partition)
        offset = offsets.get(place, 0)
        offsets[place] = offset + 1
        records.append(LogRecord(source.topic, partition, offset, record.kafka_time, value))
    # a tick may come first, so that the log's end is that of its latest record
    return Log(plan, records, max(record.kafka_time for record in records) + 3 * DAY, origin.tag)


class Timeline:
    """Where streams stand in the logs that they share: each with its own keys and ids, after all before it.

    The first one begins at time zero and keeps its keys as they are.
    """

    def __init__(self) -> None:
        self.start = 0  # ms: before it lies all that was placed
        self.offsets: dict[tuple[str, int], int] = {}
        self._streams = 0

    def place(self, steps: Sequence[Step]) -> list[Log]:
        """Give the logs of all groups of the project, with the stream alone."""
        origin = Origin()
        # to a Kafka producer a time of 0 would mean now
        if self._streams or steps[0].gap == 0 or any(step.behind for step in steps):
            begun = self.start + max(step.behind for step in steps)
            origin = Origin(begun - begun % DAY + DAY, f"{self._streams}:", dict(self.offsets))
        logs = [placed(plan, steps, origin) for plan in PLANS]
        for own in logs:
            self.offsets |= {(r.topic, r.partition): r.offset + 1 for r in own.records}
        self._streams += 1
        self.start = logs[0].until
        return logs


def _tagged(value: Row, tag: str) -> Row:
    key = value["carrier"]
    return {**value, "id": f"{tag}{value['id']}", "carrier": None if key is None else f"{tag}{key}"}


def reference(logs: Sequence[Log]) -> list[Rows]:
    """The engine that the others are held to."""
    return [rows(log.plan, log.records, log.until) for log in logs]


def wrong(engine: Engine, streams: Sequence[Sequence[Step]]) -> list[dict[str, list[str]]]:
    """Say of each stream, by group, where an engine's rows are not those of the reference; {} if nowhere."""
    logs = [engine.place(steps) for steps in streams]
    flat = [log for own in logs for log in own]
    pairs = zip(engine.compute(flat), reference(flat), strict=True)
    told = [{log.plan.label: differences(*next(pairs)) for log in own} for own in logs]
    return [{label: lines for label, lines in each.items() if lines} for each in told]


def differences(found: Rows, expected: Rows) -> list[str]:
    """Say where rows differ, in type or in bits too; an empty list where they are the same."""
    lines = [] if len(found) == len(expected) else [f"{len(found)} rows, not {len(expected)}"]
    for f, e in zip(found, expected, strict=False):
        unlike = {n: (f.get(n), e.get(n)) for n in f | e if repr(f.get(n)) != repr(e.get(n))}
        if unlike or f.keys() != e.keys():
            lines.append(f"{e['entity']!r} {e['seq']} (found, expected): {unlike}")
    return lines[:10]


def seeded(seed: int, count: int) -> tuple[Step, ...]:
    """Make a long random stream: late, repeated, from the future, out of order, refused, and ticks."""
    dice = random.Random(seed)
    return tuple(
        Step(
            gap=dice.choice([0, 0, 1, SECOND, MINUTE - 1, MINUTE, HOUR // 2, HOUR, HOUR + 1]),
            behind=dice.choice([0, 0, 0, 1, SECOND, HOUR]),
            late=dice.choice([0, 0, 0, 1, MINUTE, HOUR // 2 - 1, HOUR, 5 * HOUR, 400 * DAY, -10 * SECOND]),
            partition=dice.randrange(3),
            id=dice.choice([None, None, dice.randrange(20)]),
            carrier=dice.choice(["A", "A", "B|\\", "", "ü日", None]),
            gate=dice.choice([1, 1, -2, None]),
            delay=dice.choice(
                [None, -0.0, 15.5, 0.0000005, float(BOUND), round(dice.uniform(-50, 50), 8)] * 4
                + [-2.0 * BOUND, float("nan"), float("inf")]
            ),
            seats=dice.choice([3, 1, -7, BOUND, None] * 5 + [BOUND + 1]),
            diverted=dice.random() < 0.2,
            tick=dice.random() < 0.05,
        )
        for _ in range(count)
    )
