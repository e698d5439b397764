"""ClickHouse as an engine: the warehouse's own tables and SQL, run in this process."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from features.inputs import SourcePlan
from features.plan import GroupPlan
from features.reference import LogRecord, with_log_time
from features.types import MAX_TIME, MIN_TIME, DataType, Row, Value
from tests.conformance.engines import Log, Rows, Timeline
from tests.features.logs import Step
from tests.warehouse.engine import Query
from warehouse import backfill_sql
from warehouse.dialect import text
from warehouse.events import moment
from warehouse.tables import source_table


@dataclass(frozen=True)
class ClickHouse:
    """What is computed at once shares a log, in tables that are empty before.

    `stretch` is how many events of an entity are computed at a time, all unless stated.
    """

    query: Query
    stretch: int = 2**62
    timeline: Timeline = field(default_factory=Timeline)

    def place(self, steps: Sequence[Step]) -> list[Log]:
        """Give the stream the time after all that were placed before."""
        return self.timeline.place(steps)

    def compute(self, logs: Sequence[Log]) -> list[Rows]:
        """Write each group's logs as the sink does, and backfill them."""
        computed: dict[str, Rows] = {}
        for plan in {log.plan.label: log.plan for log in logs}.values():
            own = [log for log in logs if log.plan.label == plan.label]
            for source in plan.inputs:
                self.empty(source)
                self.insert(source, [r for log in own for r in log.records if r.topic == source.topic])
            computed[plan.label] = self.backfilled(plan, -(10**14), max(log.until for log in own))
        return [log.of(computed[log.plan.label]) for log in logs]

    def empty(self, source: SourcePlan) -> None:
        """Make the source's table anew."""
        self.query(f"DROP TABLE IF EXISTS {source.name}")
        self.query(source_table(source))

    def insert(self, source: SourcePlan, records: Iterable[LogRecord]) -> None:
        """Write a log: each record with T, without ticks and what the sink refuses."""

        def values(clock: int, record: LogRecord, row: Row) -> str:
            cells = [_cell(row[name], data_type) for name, data_type in source.columns.items()]
            place = [moment(clock), text(record.topic), str(record.partition), str(record.offset)]
            return f"({', '.join([*cells, *place])})"

        lines = [
            values(clock, record, record.value)
            for clock, record in with_log_time(records)
            if record.value is not None and _known(record.value[source.event_time])
        ]
        if lines:
            self.query(f"INSERT INTO {source.name} VALUES {', '.join(lines)}")

    def backfilled(self, plan: GroupPlan, since: int, until: int) -> Rows:
        """Compute the rows with `event_timestamp` in [since, until), times in ms, by entity and `seq`."""
        self._keep("gathered", backfill_sql.gather(plan, -(10**13), until, 1))
        self._keep("events", backfill_sql.number(plan, "gathered"))
        long = [tuple(row.values()) for row in self.query(backfill_sql.cuts("events", self.stretch))]
        stretch = backfill_sql.stretch([(entity, moments) for entity, moments in long])
        self._keep("moments", backfill_sql.moments(plan, "events", until, stretch=stretch))
        self._keep("staged", backfill_sql.stage(plan, "moments", "events", cut=bool(long)))
        names = ("event_timestamp", "last_event_time")
        times = ", ".join(f"toUnixTimestamp64Milli({name}) AS {name}" for name in names)
        selected = backfill_sql.rows(plan, "staged", since, until)
        return self.query(f"SELECT * REPLACE({times}) FROM ({selected}) ORDER BY entity, seq")

    def _keep(self, table: str, select: str) -> None:
        self.query(f"DROP TABLE IF EXISTS {table}")
        self.query(f"CREATE TABLE {table} ENGINE MergeTree ORDER BY tuple() AS {select}")


def _known(ts: Value) -> bool:
    return isinstance(ts, int) and MIN_TIME <= ts <= MAX_TIME


def _cell(value: Value, data_type: DataType) -> str:
    match value:
        case None:
            return "NULL"
        case str():
            return text(value)
        case float():
            return repr(value)
        case _:
            return moment(value) if data_type is DataType.TIMESTAMP else str(value).lower()
