"""Parity: the rows that the stream emitted against the rows that the backfill computed."""

from dataclasses import dataclass
from typing import Any

from clickhouse_connect.driver.client import Client

from features.plan import GroupPlan
from warehouse.dialect import column, same
from warehouse.events import moment


@dataclass(frozen=True)
class Difference:
    """One row that is not the same on both sides: the columns that differ, stream's value and backfill's."""

    entity: str
    seq: int
    event_timestamp: str
    columns: dict[str, tuple[Any, Any]]


@dataclass(frozen=True)
class Parity:
    """How many rows are the same, differ, or stand on one side only; and the first that are not the same."""

    group: str
    compared: int
    same: int
    differing: int
    only_stream: int
    only_backfill: int
    first: tuple[Difference, ...]

    @property
    def mismatches(self) -> int:
        """All rows that are not the same on both sides."""
        return self.differing + self.only_stream + self.only_backfill


def parity(client: Client, plan: GroupPlan, since: int, until: int, most: int = 10) -> Parity:
    """Compare every row with `event_timestamp` in [since, until) (ms), each value with each.

    Values of inexact derived features are the same within a relative 1e-12.
    """
    names = ["event_timestamp", "last_event_time", "topic", "partition", "offset"]
    names += [f.name for f in plan.features]
    sides = [
        f"SELECT *, 1 AS _there FROM {table} FINAL "
        f"WHERE event_timestamp >= {moment(since)} AND event_timestamp < {moment(until)}"
        for table in (plan.table, plan.backfill_table)
    ]
    inexact = {d.name for d in plan.derived if d.inexact}
    equal_values = " AND ".join(same(f"s.{column(n)}", f"b.{column(n)}", inexact=n in inexact) for n in names)
    joined = (
        f"FROM ({sides[0]}) AS s FULL OUTER JOIN ({sides[1]}) AS b ON s.entity = b.entity AND s.seq = b.seq"
    )
    counted = client.query(
        f"SELECT count(), countIf(s._there = 1 AND b._there = 1 AND {equal_values}), "
        f"countIf(isNull(b._there)), countIf(isNull(s._there)) {joined} SETTINGS join_use_nulls = 1"
    ).result_rows[0]
    compared, equal, only_stream, only_backfill = (int(n) for n in counted)
    differing = compared - equal - only_stream - only_backfill
    first: list[Difference] = []
    if compared > equal:
        pairs = ", ".join(f"toString(s.{column(n)}), toString(b.{column(n)})" for n in names)
        found = client.query(
            "SELECT coalesce(s.entity, b.entity) AS e, coalesce(s.seq, b.seq) AS q, "
            f"toString(coalesce(s.event_timestamp, b.event_timestamp)), {pairs} {joined} "
            f"WHERE NOT ifNull(s._there = 1 AND b._there = 1 AND {equal_values}, 0) "
            f"ORDER BY e, q LIMIT {most} SETTINGS join_use_nulls = 1"
        )
        for entity, seq, timestamp, *values in found.result_rows:
            sides_of = zip(names, values[::2], values[1::2], strict=True)
            differ = {n: (s, b) for n, s, b in sides_of if s != b}
            first.append(Difference(entity, int(seq), timestamp, differ))
    return Parity(plan.label, compared, equal, differing, only_stream, only_backfill, tuple(first))


def reached(client: Client, *tables: str) -> int:
    """Give the moment (ms) before which the rows of all `tables` are in the warehouse."""
    newest = ", ".join(
        f"(SELECT max(toUnixTimestamp64Milli(event_timestamp)) FROM {column(table)})" for table in tables
    )
    return int(client.query(f"SELECT least({newest})").result_rows[0][0])
