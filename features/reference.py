"""The reference evaluator: the rows of a group as a plain function of the log.

It recomputes each row from all events that the log held, straight from the definitions; it is slow on
purpose, and the engines are held to it.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from features import decay
from features.aggregates import OPERATIONS, Part
from features.expressions.python import evaluator
from features.inputs import LookupPlan, SourcePlan
from features.naming import key_text
from features.plan import Argument, GroupPlan, PlannedAggregate
from features.readings import read, unit, units
from features.types import MAX_TIME, MIN_TIME, DataType, Row, Value
from features.windows import floor


@dataclass(frozen=True)
class LogRecord:
    """A record as the log holds it; `value` None is a clock tick or a record that was refused."""

    topic: str
    partition: int
    offset: int
    kafka_time: int  # ms
    value: Row | None


Position = tuple[int, str, int, int]  # (T, topic, partition, offset): the order of the log
Refusal = tuple[str, int, int, str]  # topic, partition, offset, reason


@dataclass(frozen=True)
class Event:
    """An event of one entity that passed dedup and `where`, at its place in the log."""

    entity: str
    position: Position
    ts: int  # ms; never after T
    arguments: tuple[Any, ...]

    @property
    def clock(self) -> int:
        """T, in ms."""
        return self.position[0]


def with_log_time(records: Iterable[LogRecord]) -> list[tuple[int, LogRecord]]:
    """Pair each record with T, the running maximum of its partition's Kafka times; sort by log order.

    Within a partition the records must come by offset.
    """
    clocks: dict[tuple[str, int], int] = {}
    timed = []
    for record in records:
        key = (record.topic, record.partition)
        clocks[key] = max(clocks.get(key, record.kafka_time), record.kafka_time)
        timed.append((clocks[key], record))
    return sorted(timed, key=lambda pair: (pair[0], pair[1].topic, pair[1].partition, pair[1].offset))


def events(plan: GroupPlan, records: Iterable[LogRecord]) -> tuple[list[Event], list[Refusal]]:
    """Apply refusals, dedup, lookups and `where`, and evaluate the arguments.

    Gives the events in log order, and what the group refused. Records of other topics are passed over.
    """
    keep = None if plan.where is None else evaluator(plan.where)
    arguments = [(a.type, evaluator(a.expression)) for a in plan.arguments]
    keys = [plan.columns[key] for key in plan.keys]
    newest = [_Newest(lookup) for lookup in plan.lookups]
    taken = {source.topic for source in plan.sources}
    kept: list[Event] = []
    refused: list[Refusal] = []
    for position, ts, source, row in _read(plan.inputs, records):
        if source.topic not in taken:
            for latest in newest:
                latest.update(source, (ts, position), row)
            continue
        found = {name: row.get(name) for name in plan.shared}
        for latest in newest:
            found |= latest.values(found)
        if keep is not None and keep(found) is not True:
            continue
        values = [found[key] for key in plan.keys]
        numbers = tuple(_clean(data_type, argument(found)) for data_type, argument in arguments)
        if any(v is None for v in values):
            refused.append((*position[1:], "entity key is NULL"))
        elif any(_beyond(a, n) for a, n in zip(plan.arguments, numbers, strict=True)):
            refused.append((*position[1:], "number beyond the contract's bound"))
        else:
            text = key_text([_text(t, v) for t, v in zip(keys, values, strict=True)])
            kept.append(Event(text, position, ts, numbers))
    return kept, refused


def _read(
    inputs: Sequence[SourcePlan], records: Iterable[LogRecord]
) -> Iterator[tuple[Position, int, SourcePlan, Row]]:
    """Give the readable records in log order, without duplicates: position, ts, source and row."""
    sources = {source.topic: source for source in inputs}
    seen: dict[tuple[str, Value], int] = {}
    for clock, record in with_log_time(records):
        source, row = sources.get(record.topic), record.value
        if source is None or row is None:
            continue
        event_id, event_time = row[source.event_id], row[source.event_time]
        if event_id is None or event_time is None or not MIN_TIME <= int(event_time) <= MAX_TIME:
            continue
        identity = (source.name, event_id)
        before, seen[identity] = seen.get(identity), clock
        if before is None or clock - before >= source.dedup_ms:
            position = (clock, record.topic, record.partition, record.offset)
            yield position, min(int(event_time), clock), source, row


class _Newest:
    """The rows that a lookup would find now: for each key the newest by (ts, log order)."""

    def __init__(self, lookup: LookupPlan) -> None:
        self._lookup = lookup
        self._rows: dict[tuple[Value, ...], tuple[tuple[int, Position], Row]] = {}

    def update(self, source: SourcePlan, age: tuple[int, Position], row: Row) -> None:
        if source.name != self._lookup.source.name:
            return
        key = tuple(row[column] for _, column in self._lookup.on)
        if None not in key and (key not in self._rows or age > self._rows[key][0]):
            self._rows[key] = (age, row)

    def values(self, event: Row) -> Row:
        found = self._rows.get(tuple(event[column] for column, _ in self._lookup.on))
        return {name: None if found is None else found[1][column] for name, column in self._lookup.columns}


def rows(plan: GroupPlan, records: Iterable[LogRecord], until: int) -> list[dict[str, Any]]:
    """Compute every row of the group with `event_timestamp` before `until` (ms), by entity and `seq`."""
    kept, _ = events(plan, records)
    by_entity: dict[str, list[Event]] = {}
    for event in kept:
        by_entity.setdefault(event.entity, []).append(event)
    return [
        row
        for entity in sorted(by_entity)
        for row in _entity_rows(plan, by_entity[entity])
        if row["event_timestamp"] < until
    ]


def _entity_rows(plan: GroupPlan, log: Sequence[Event]) -> list[dict[str, Any]]:
    """Emit an entity's rows: at each boundary at which a tile leaves, then at each event."""
    leaving = {
        window.leaves_at(event.ts)
        for event in log
        for window in plan.windows
        if window.leaves_at(event.ts) > event.clock
    }
    moments: list[tuple[int, int, Event | None]] = [(boundary, 0, None) for boundary in leaving]
    moments += [(event.clock, 1, event) for event in log]
    moments.sort(key=lambda m: (m[0], m[1], () if m[2] is None else m[2].position))
    derived = [(d.name, evaluator(d.expression)) for d in plan.derived]
    arrived: list[Event] = []
    emitted = []
    for seq, (clock, _, event) in enumerate(moments, start=1):
        if event is not None:
            arrived.append(event)
        values = {a.name: _value(plan, a, arrived, clock) for a in plan.aggregates}
        values |= {name: derive(values) for name, derive in derived}
        _, topic, partition, offset = event.position if event else (None, None, None, None)
        emitted.append(
            {
                "entity": log[0].entity,
                "event_timestamp": clock,
                "last_event_time": max(e.ts for e in arrived),
                "seq": seq,
                "topic": topic,
                "partition": partition,
                "offset": offset,
                **values,
            }
        )
    return emitted


def _value(plan: GroupPlan, aggregate: PlannedAggregate, arrived: Sequence[Event], clock: int) -> Any:  # noqa: ANN401
    if Part.DECAYED in OPERATIONS[aggregate.op].parts:
        return _decayed(plan, aggregate, arrived, clock)
    inside = list(arrived)
    if aggregate.window is not None:
        window = plan.windows[aggregate.window]
        first = window.first_tile(clock)
        # what had left before it arrived was never admitted, and stays out
        inside = [e for e in arrived if floor(e.ts, window.hop) >= first]
    if aggregate.argument is None:
        return len(inside)
    at = aggregate.argument
    by_time = sorted(inside, key=lambda e: (e.ts, e.position))
    values = [e.arguments[at] for e in by_time if e.arguments[at] is not None]
    return read(aggregate, plan.arguments[at].type, values)


def _decayed(plan: GroupPlan, aggregate: PlannedAggregate, arrived: Sequence[Event], clock: int) -> float:
    half_life = int(aggregate.option("half_life", 0))
    at = aggregate.argument
    counted = at is None or aggregate.op == "decayed_count"
    data_type = DataType.INTEGER if at is None or counted else plan.arguments[at].type
    amounts = (
        (1 if at is None or counted else units(data_type, e.arguments[at]), e.ts, e.clock)
        for e in arrived
        if at is None or e.arguments[at] is not None
    )
    return decay.reading(decay.decayed(amounts, clock, half_life), unit(data_type))


def _clean(data_type: DataType, value: Value) -> Value:
    """Make -0.0 a zero, so that no order of events shows in a sign."""
    return value + 0.0 if data_type is DataType.DOUBLE and isinstance(value, float) else value


def _beyond(argument: Argument, value: Value) -> bool:
    if not argument.type.numeric or not isinstance(value, int | float):
        return False
    return not (math.isfinite(value) and abs(value) <= argument.bound)


def _text(data_type: DataType, value: Value) -> str:
    return str(value).lower() if data_type is DataType.BOOLEAN else str(value)
