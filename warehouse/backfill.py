"""Backfill: a group's rows for a time range, out of its sources' events.

The events are gathered once, sorted by slices of entities; then each slice is computed by itself, in a
bounded memory. What is gathered and which slices are done stands in tables named by the run's contract,
range and place in the log, so the same run goes on where it was killed.
"""

import hashlib
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from time import perf_counter

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError
from clickhouse_connect.driver.summary import QuerySummary

from features.inputs import SourcePlan
from features.plan import GroupPlan
from warehouse import backfill_sql
from warehouse.dialect import column
from warehouse.events import moment

MEMORY = 2 << 30  # bytes
_WORKERS = 2  # slices at a time, each in one thread
_SLICES = 4 * _WORKERS  # or more, that no worker waits long for the last
_SLICE_RECORDS = 100_000  # or more, but for memory: each slice has its fixed price
_ROW_BYTES = 300  # of memory that a row takes while its slice is sorted
_GATHER_BYTES = 400  # of memory that an event takes while it is gathered
_COMPUTING = 8  # how much longer it takes to compute an event's rows than to gather it

Report = Callable[[int, int], None]
"""Told how much of the work is done, and how much there is."""


@dataclass(frozen=True)
class Backfilled:
    """What a backfill wrote: rows, events read, and seconds taken. What an earlier try did counts too."""

    rows: int
    events: int
    seconds: float


def backfill(
    client: Client,
    plan: GroupPlan,
    since: int,
    until: int,
    *,
    memory: int = MEMORY,
    report: Report = lambda _done, _of: None,
) -> Backfilled:
    """Write the rows with `event_timestamp` in [since, until) (ms) to the group's backfill table.

    It reads the log from its origin, for `seq` and lifetime totals begin there. Rows are a function of
    the log, and `(entity, seq)` is their identity, so a second run writes the same rows over the first.
    `memory` bounds all its queries together, in bytes. What is read from blocks of rows takes all rows of an
    entity at a time: where they do not fit in half of it, the slice fails, and is not computed wrongly.
    Raises `DatabaseError` for what the warehouse refuses, such as that; then, and at the end, nothing is
    left staged.
    """
    started = perf_counter()
    run = _Run.of(client, plan, since, until, memory)
    run.sweep()
    try:
        run.gather(report)
        done = run.compute(report)
    except OperationalError:
        raise  # an outage: what is staged is for the next try
    except DatabaseError:
        run.drop()
        raise
    run.drop()
    return Backfilled(sum(r for r, _ in done), sum(e for _, e in done), perf_counter() - started)


def log_clock(client: Client, *sources: SourcePlan) -> int | None:
    """Give how far the log's clock has come for all of the sources: the least T of their partitions, in ms.

    Every row before it has been emitted, and none before it will be. None until every partition was read.
    """
    found = client.query(
        "SELECT min(clock), count() FROM (SELECT max(toUnixTimestamp64Milli(log_time)) AS clock "
        "FROM log_clock WHERE topic IN {topics:Array(String)} GROUP BY topic, partition)",
        parameters={"topics": [source.topic for source in sources]},
    ).result_rows[0]
    return int(found[0]) if found[1] >= sum(source.partitions for source in sources) else None


def events_held(client: Client, source: SourcePlan) -> int:
    """Count the events that a backfill would read, repetitions too; 0 before the source has a table."""
    if not client.query(f"EXISTS TABLE {column(source.name)}").result_rows[0][0]:
        return 0
    return int(client.query(f"SELECT count() FROM {column(source.name)}").result_rows[0][0])


@dataclass(frozen=True)
class _Run:
    """One backfill: its range, how it is cut, and the tables that keep what is done."""

    client: Client
    plan: GroupPlan
    since: int
    until: int
    memory: int
    records: int
    slices: int
    stretch: int
    gathered: str

    @classmethod
    def of(cls, client: Client, plan: GroupPlan, since: int, until: int, memory: int) -> "_Run":
        """Read where the log stands, and cut the work so that a slice of it fits in the memory."""
        position = client.query(
            "SELECT log_topic, log_partition, min(log_offset), max(log_offset) "
            f"FROM {_log(plan)} WHERE log_time < {moment(until)} "
            "GROUP BY log_topic, log_partition ORDER BY log_topic, log_partition"
        ).result_rows
        records = sum(last - first + 1 for _, _, first, last in position)
        stretch = max(1, memory // _WORKERS // (_ROW_BYTES * (1 + len(plan.windows))))
        slice_records = min(stretch, max(_SLICE_RECORDS, records // _SLICES))
        slices = -(-records // slice_records) or 1
        identity = repr((plan.contract_hash, since, until, slices, position)).encode()
        key = hashlib.sha256(identity).hexdigest()[:16]
        name = f"_stage_{plan.backfill_table}_{key}"
        return cls(client, plan, since, until, memory, records, slices, stretch, name)

    @property
    def _done(self) -> str:
        return f"{self.gathered}_done"

    @property
    def _work(self) -> int:
        return self.records * (1 + _COMPUTING)

    @property
    def _settings(self) -> dict[str, int]:
        """Bound a worker's query."""
        return _bounds(self.memory // _WORKERS) | {"max_threads": 1}

    def gather(self, report: Report) -> None:
        """Write the group's events by slice and entity, unless an earlier try has done so."""
        if self.client.command(f"EXISTS TABLE {self.gathered}"):
            return
        own = f"{self.gathered}_{uuid.uuid4().hex[:8]}"  # whole, or not called `gathered`
        settings = _bounds(self.memory)
        nothing = backfill_sql.gather(self.plan, self.until, self.until, self.slices)
        self.client.command(
            f"CREATE TABLE {own} ENGINE MergeTree "
            f"ORDER BY (_slice, entity, _t, _topic, _partition, _offset) EMPTY AS {nothing}"
        )
        try:
            read = 0
            for first, end, count in self._ranges():
                events = backfill_sql.gather(self.plan, first, end, self.slices)
                self.client.command(f"INSERT INTO {own} {events}", settings=settings)
                read += count
                report(min(read, self.records), self._work)
            self.client.command(f"RENAME TABLE {own} TO {self.gathered}")
        finally:
            self.client.command(f"DROP TABLE IF EXISTS {own}")

    def compute(self, report: Report) -> list[tuple[int, int]]:
        """Compute the slices that are not done, and give each one's rows and events."""
        self.client.command(
            f"CREATE TABLE IF NOT EXISTS {self._done} (slice UInt64, rows UInt64, events UInt64) "
            "ENGINE MergeTree ORDER BY slice"
        )
        known = self.client.query(f"SELECT DISTINCT slice, rows, events FROM {self._done}").result_rows
        done = {int(s): (int(r), int(e)) for s, r, e in known}
        pool = ThreadPoolExecutor(_WORKERS)
        try:
            running = {
                pool.submit(self._slice, number): number
                for number in range(self.slices)
                if number not in done
            }
            for finished in as_completed(running):
                done[running[finished]] = finished.result()
                report(self.records + self.records * _COMPUTING * len(done) // self.slices, self._work)
        finally:
            pool.shutdown(cancel_futures=True)
        return list(done.values())

    def sweep(self) -> None:
        """Drop what runs of another range or place in the log left behind when they were killed."""
        old = "metadata_modification_time < now() - INTERVAL 1 DAY"  # others may run now
        self._drop(
            f"_stage_{self.plan.backfill_table}_", f"{old} AND NOT startsWith(name, '{self.gathered}')"
        )

    def drop(self) -> None:
        """Drop all that the run staged, in earlier tries too."""
        self._drop(self.gathered, "1")

    def _drop(self, prefix: str, condition: str) -> None:
        found = self.client.query(
            "SELECT name FROM system.tables WHERE database = currentDatabase() "
            f"AND startsWith(name, {{prefix:String}}) AND {condition}",
            parameters={"prefix": prefix},
        ).result_rows
        for (name,) in found:
            self.client.command(f"DROP TABLE IF EXISTS {column(name)}")

    def _slice(self, number: int) -> tuple[int, int]:
        """Compute one slice, and record it with its rows and events."""
        plan, own = self.plan, f"{self.gathered}_{uuid.uuid4().hex[:8]}"
        events, changes, staged = f"{own}_events", f"{own}_moments", f"{own}_rows"
        gathered = f"(SELECT * EXCEPT (_slice) FROM {self.gathered} WHERE _slice = {number})"
        settings = self._settings
        try:
            self._keep(events, "_entity, _order", backfill_sql.number(plan, gathered))
            asked = self.client.query(backfill_sql.fits(plan, events), settings=settings)
            narrow, read = asked.result_rows[0]
            integer = "Int64" if narrow else "Int128"
            long = self.client.query(backfill_sql.cuts(events, self.stretch), settings=settings).result_rows
            stretch = backfill_sql.stretch([(int(entity), moments) for entity, moments in long])
            self._keep(
                changes,
                "_entity, _stretch, _t, _order",
                backfill_sql.moments(plan, events, self.until, integer, stretch),
            )
            found = f"({backfill_sql.stage(plan, changes, events, integer, cut=bool(long))})"
            if backfill_sql.looks_back(plan):
                self._keep(staged, "entity, seq", found)
                found = staged
            names = "entity, event_timestamp, last_event_time, seq, topic, partition, offset"
            names += "".join(f", {column(f.name)}" for f in plan.features)
            inserted = self.client.command(
                f"INSERT INTO {plan.backfill_table} ({names}) "
                + backfill_sql.rows(plan, found, self.since, self.until, integer),
                settings=settings | {"optimize_on_insert": 0},  # no row comes twice
            )
        finally:
            for table in (events, changes, staged):
                self.client.command(f"DROP TABLE IF EXISTS {table}")
        assert isinstance(inserted, QuerySummary)
        written = inserted.written_rows
        self.client.command(f"INSERT INTO {self._done} VALUES ({number}, {written}, {read})")
        return written, int(read)

    def _keep(self, table: str, order: str, selected: str) -> None:
        """Keep what is selected, sorted, for as long as its slice takes."""
        self.client.command(
            f"CREATE TABLE {table} ENGINE MergeTree ORDER BY ({order}) "
            f"SETTINGS default_compression_codec = 'NONE' AS {selected}",
            settings=self._settings,
        )

    def _ranges(self) -> Iterator[tuple[int, int, int]]:
        """Cut the log into ranges of T that fit in the memory: start, end (ms) and records of each.

        None is shorter than `dedup`, for as much before it is read again to tell duplicates.
        """
        most, dedup = self.memory // _GATHER_BYTES, max(s.dedup_ms for s in self.plan.sources)
        hours = self.client.query(
            f"SELECT toUnixTimestamp64Milli(min(log_time)), toUnixTimestamp64Milli(max(log_time)), count() "
            f"FROM {_log(self.plan)} WHERE log_time < {moment(self.until)} "
            "GROUP BY toStartOfHour(log_time) ORDER BY 1"
        ).result_rows
        first, held = None, 0
        for begin, end, count in hours:
            if first is None:
                first = begin
            elif held + count > most and begin - first >= dedup:
                yield first, begin, held
                first, held = begin, 0
            held, last = held + count, end
        if first is not None:
            yield first, last + 1, held


def _log(plan: GroupPlan) -> str:
    """Select the place of each record that the group reads."""
    place = "log_time, log_topic, log_partition, log_offset"
    tables = " UNION ALL ".join(f"SELECT {place} FROM {column(source.name)}" for source in plan.inputs)
    return f"({tables})"


def _bounds(memory: int) -> dict[str, int]:
    """Bound one query: what it sorts or groups beyond a part of its memory goes to disk."""
    return {
        "max_memory_usage": memory,
        "max_bytes_before_external_sort": memory // 4,
        "prefer_external_sort_block_bytes": memory // 256,  # of each run while they are merged
        "max_bytes_before_external_group_by": memory // 4,
        "query_plan_reuse_storage_ordering_for_window_functions": 1,  # what is kept is sorted already
        "min_insert_block_size_rows": 4 << 20,
        "min_insert_block_size_bytes": memory // 8,
    }
