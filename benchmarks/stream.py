"""Streaming: events a second from Kafka through the windows back to Kafka, and how soon Redis shows them.

Throughput: the payments are in the log before a job starts, so it drains a backlog as fast as it can. The
output topic is stamped by the broker as it appends; measured is from the moment when a fifth of the events
are out to the last one, so that neither the job's start nor the compiler's warming up counts. State is the
size of the savepoint behind which a job is stopped; CPU is what the task manager takes, all threads together,
once a fifth of the rows are out. Beside a group's job stand, in the same run and with the
same connector, formats and settings, one that only copies (the floor) and Flink SQL's OVER with one window.

Latency: the group's job and the materialiser first drain a backlog together, until Redis shows all of it;
then payments come at half of that load, and each is timed from its producer to when Redis holds its row.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import fastavro
import numpy as np
from confluent_kafka import Message

from benchmarks.cluster import Servers, servers
from benchmarks.common import Result, show, write
from benchmarks.latency import TO_REDIS, latency
from benchmarks.payments import END, SAMPLED, Payments, group
from benchmarks.profile import hottest
from benchmarks.stream_jobs import SUMMED, copy, over
from features.plan import GroupPlan
from features.reference import rows
from streams.job import submit

PATIENCE_S = 1_200.0
Decode = Callable[[bytes], dict[str, Any]]
_SUMMED = fastavro.parse_schema(SUMMED)
PROFILED = 5  # windows
_FRAME = 5  # bytes before a record: a zero and the schema's id
_HEAD = 9  # fields of a row up to the first count and sum
OURS, FLOOR, SQL = "Augury", "copying job", "Flink SQL OVER"
NOTES = (
    "Augury writes a row for each event and for each moment at which a value decays, the others for events",
    "the copying job and OVER are to be compared with Augury at the same entities, backend and parallelism",
    "checked: every event has one row and every decay one, each entity's rows are gapless, eight entities' "
    "rows are those of the reference; OVER's values are Augury's where both windows hold the same events",
)


@dataclass(frozen=True)
class Case:
    """One drain: `windows` is None for the copying job, and OVER has one."""

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
        return f"{_short(self.entities)} entities, {store}, parallelism {self.parallelism}"

    @property
    def name(self) -> str:
        """The system, with its windows."""
        return f"{OURS}, {self.windows} windows" if self.windows > 1 else self.system


@dataclass(frozen=True)
class Size:
    """The cases of a run, and the memory (MiB) of its task manager."""

    cases: tuple[Case, ...]
    live_events: int
    live_entities: int
    live_s: float
    heap_mb: int
    managed_mb: int


def _beside(events: int, entities: int, windows: Iterable[int], **more: Any) -> list[Case]:  # noqa: ANN401
    """Give the group's job with so many windows, and both others."""
    ours = [Case(OURS, events, entities, w, **more) for w in windows]
    return [Case(FLOOR, events, entities, 0, **more), Case(SQL, events, entities, 1, **more), *ours]


_M = 1_000_000
SIZES = {
    "quick": Size(
        (
            *_beside(200_000, 1_000, (1, 5)),
            *_beside(200_000, 100_000, (1, 5)),
            Case(OURS, 200_000, 100_000, 5, "rocksdb"),
        ),
        100_000,
        10_000,
        15,
        1_536,
        512,
    ),
    "full": Size(
        (
            *_beside(_M, 1_000, (1, 5)),
            *_beside(_M, 100_000, (1, 2, 5, 8)),
            *_beside(_M, 100_000, (1, 5), parallelism=2),
            *_beside(_M, 100_000, (1, 5), backend="rocksdb"),
            *_beside(_M, _M, (1, 5)),
            Case(OURS, _M, _M, 5, "rocksdb"),
            Case(OURS, 10 * _M, 10 * _M, 1, "rocksdb"),
        ),
        500_000,
        100_000,
        30,
        6_144,
        2_048,
    ),
}


def _short(count: int) -> str:
    return f"{count // 1_000_000}M" if count >= 1_000_000 else f"{count // 1_000}k"


@dataclass
class Output:
    """What a job wrote: of each event the broker's time (ms), its place, and count and sum of the hour."""

    rows: int = 0
    moments: list[int] = field(default_factory=list)
    places: dict[tuple[int, int], tuple[int, float]] = field(default_factory=dict)
    newest: dict[str, int] = field(default_factory=dict)
    sampled: list[dict[str, Any]] = field(default_factory=list)

    def take_ours(self, plan: GroupPlan, decode: Decode) -> Callable[[Message], None]:
        """Give what takes one message of the group's; only the sampled entities' rows are decoded whole."""
        head = fastavro.parse_schema({**plan.avro_schema(), "fields": plan.avro_schema()["fields"][:_HEAD]})

        def take(message: Message) -> None:
            row = _read(message, head)
            self.take_row(row, message.timestamp()[1])
            if int(row["entity"]) < SAMPLED:
                self.sampled.append(decode(message.value() or b""))

        return take

    def take_row(self, row: Mapping[str, Any], moment: int) -> None:
        """Take one row of the group's, which the broker appended at `moment`."""
        self.rows += 1
        self.newest[row["entity"]] = max(row["seq"], self.newest.get(row["entity"], 0))
        if row["offset"] is not None:
            self._take_event(row, moment)

    def take_over(self, message: Message) -> None:
        """Take one row of OVER's."""
        self.rows += 1
        self._take_event(_read(message, _SUMMED), message.timestamp()[1])

    def _take_event(self, row: Mapping[str, Any], moment: int) -> None:
        self.moments.append(moment)
        self.places[row["partition"], row["offset"]] = row["count_1h"], row["amount_sum_1h"]

    def take_copy(self, message: Message) -> None:
        """Take one copied payment."""
        self.rows += 1
        self.moments.append(message.timestamp()[1])

    @property
    def seconds(self) -> float:
        """How long the last four fifths of the events took."""
        moments = np.sort(np.array(self.moments))
        return float(moments[-1] - moments[len(moments) // 5]) / 1_000


def _read(message: Message, schema: Any) -> dict[str, Any]:  # noqa: ANN401
    """Decode a record, or as many of its first fields as the schema has."""
    row = fastavro.schemaless_reader(BytesIO((message.value() or b"")[_FRAME:]), schema, None)
    assert isinstance(row, dict)
    return row


def wrong_rows(output: Output, plan: GroupPlan, payments: Payments) -> int:
    """Count what is not as it must be in the group's rows: none is missing, and none is there twice."""
    events = len(payments)
    places = set(zip(payments.partitions.tolist(), payments.offsets.tolist(), strict=True))
    wrong = len(places ^ output.places.keys()) + abs(len(output.moments) - events)
    wrong += abs(output.rows - events - payments.decays(plan))
    wrong += abs(output.rows - sum(output.newest.values()))  # seq is gapless
    expected = rows(plan, payments.sample(plan.source.topic), END)
    found = sorted(output.sampled, key=lambda row: (row["entity"], row["seq"]))
    wrong += abs(len(expected) - len(found))
    return wrong + sum(a != b for a, b in zip(expected, found, strict=False))


def unlike(ours: Output, theirs: Output) -> tuple[int, int]:
    """Compare OVER's values with Augury's where both windows hold the same events.

    Gives how many were compared, and how many differ, are missing, or were counted over more events than
    Augury's, which a tile's edge only lengthens. Sums to 1e-9, for OVER adds doubles.
    """
    compared, wrong = 0, len(ours.places.keys() ^ theirs.places.keys())
    for place, (count, amount) in theirs.places.items():
        held, exact = ours.places.get(place, (count, amount))
        if held == count:
            compared += 1
            wrong += abs(amount - exact) > 1e-9 * abs(exact)
        wrong += held < count
    return compared, wrong


class Run:
    """The cases of a run, on servers that are up; keeps what is compared later."""

    def __init__(self, at: Servers, profiled: bool) -> None:
        self._at = at
        self._profiled = profiled
        self._payments: dict[tuple[int, int], Payments] = {}
        self._over: dict[str, Output] = {}
        self._number = 0

    def payments(self, events: int, entities: int) -> tuple[str, Payments]:
        """Give payments and their topic; published when first asked for."""
        topic = f"payments_{_short(events)}_of_{_short(entities)}".lower()
        if (events, entities) not in self._payments:
            made = self._payments[events, entities] = Payments.make(events, entities)
            print(f"publishing {events:,} payments of {entities:,} cards", flush=True)
            self._at.publish(group("any", topic, 1).source, made)
        return topic, self._payments[events, entities]

    def case(self, case: Case) -> list[Result]:
        """Drain the backlog by one system, and check what it wrote."""
        topic, payments = self.payments(case.events, case.entities)
        self._number += 1
        plan = group(f"case_{self._number}", topic, max(1, case.windows))
        target = plan.topic
        self._at.topic(target)
        flink, output = self._at.flink(case.backend, case.parallelism), Output()
        expected = len(payments) + (payments.decays(plan) if case.system == OURS else 0)
        if case.system == OURS:
            submit(plan, self._at.addresses, flink)
        else:
            (copy if case.system == FLOOR else over)(plan, target, self._at.addresses, flink)
        label = plan.label if case.system == OURS else target
        before, began = self._at.await_rows(target, expected // 5, label, PATIENCE_S), self._at.cpu_s()
        profile = hottest(self._at, label) if self._profiled and case.windows == PROFILED else {}
        self._at.await_rows(target, expected, label, PATIENCE_S)
        cpu_s = self._at.cpu_s() - began
        state = self._at.stop(label)
        take = {FLOOR: output.take_copy, SQL: output.take_over}
        self._at.read(target, take.get(case.system) or output.take_ours(plan, self._at.codec.decode))
        rate = 0.8 * len(payments) / output.seconds
        figures: list[tuple[str, float | str, str]] = [
            ("events", rate, "1/s"),
            ("rows", rate * output.rows / len(payments), "1/s"),
            ("CPU an event", cpu_s * 1e6 / (max(1, expected - before) / expected * len(payments)), "µs"),
            ("state an entity", state / payments.entities, "bytes"),
            *self._checks(case, plan, payments, output),
        ]
        print(f"{case.workload}, {case.name}: {rate:,.0f} events/s", flush=True)
        figures += [(f"in {name}", share, "%") for name, share in profile.items()]
        return [Result(case.workload, case.name, *figure) for figure in figures]

    def _checks(
        self, case: Case, plan: GroupPlan, payments: Payments, output: Output
    ) -> list[tuple[str, float, str]]:
        if case.system == FLOOR:
            return [("differences", abs(output.rows - len(payments)), "")]
        if case.system == SQL:
            self._over[case.workload] = output
            return [("differences", abs(output.rows - len(payments)), "")]
        wrong = wrong_rows(output, plan, payments)
        if case.windows > 1 or case.workload not in self._over:
            return [("differences", wrong, "")]
        compared, different = unlike(output, self._over.pop(case.workload))
        return [("differences", wrong + different, ""), ("values compared", compared, "")]


def ratios(results: list[Result]) -> list[Result]:
    """Give Augury's throughput as a share of the copying job's and of OVER's, where they stand beside it."""
    rates = {(r.workload, r.system): float(r.value) for r in results if r.metric == "events"}
    found = []
    for (workload, system), rate in rates.items():
        if not system.startswith(OURS):
            continue
        for other, metric in ((FLOOR, "of the copying job"), (SQL, "of OVER")):
            if (workload, other) in rates:
                share = 100 * rate / rates[workload, other]
                found.append(Result(workload, system, metric, share, "%"))
    return found


def main() -> int:
    """Run the cases, write and print the results; 1 where values differ or nothing could be compared."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stream", description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="quick")
    parser.add_argument("--only", default="", help="run the cases whose workload and system hold this text")
    parser.add_argument("--profile", action="store_true", help="tell where the job with five windows spends")
    given = parser.parse_args()
    size = SIZES[given.size]
    results: list[Result] = []
    with servers(size.heap_mb, size.managed_mb) as at:
        run = Run(at, given.profile)
        for case in size.cases:
            if given.only in f"{case.workload}, {case.name}":
                results += run.case(case)
        if given.only in "latency":
            topic, payments = run.payments(size.live_events, size.live_entities)
            results += latency(at, topic, payments, size.live_s)
    results += ratios(results)
    show([r for r in results if not r.workload.startswith(TO_REDIS)], NOTES)
    show([r for r in results if r.workload.startswith(TO_REDIS)])
    print(f"written to {write('stream', results)}")
    unlike_rows = [r for r in results if r.metric == "differences" and r.value]
    nothing = [r for r in results if r.metric == "values compared" and not r.value]
    return 1 if unlike_rows or nothing else 0


if __name__ == "__main__":
    sys.exit(main())
