"""Hand-overs from history to stream: their record, and what the warehouse gives to the log for them."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from clickhouse_connect.driver.client import Client

from features.handover import Handover, seed_types
from features.plan import GroupPlan
from features.types import DataType
from warehouse.dialect import column, typed
from warehouse.events import LOG_ORDER, events, milliseconds, moment
from warehouse.tables import ROW_COLUMNS


def handover(client: Client, group: str, version: int) -> Handover | None:
    """Read a version's hand-over, if one was begun; its topic is empty until the seed is whole."""
    if not client.command("EXISTS TABLE feature_group_handover"):
        return None
    found = client.query(
        "SELECT toUnixTimestamp64Milli(cut), seed FROM feature_group_handover FINAL "
        "WHERE group = {group:String} AND version = {version:Int32}",
        parameters={"group": group, "version": version},
    ).result_rows
    return Handover(int(found[0][0]), found[0][1]) if found else None


def handed_over(client: Client, group: str, version: int) -> Handover | None:
    """Read what a version's stream begins with; None where that is the beginning of its log."""
    begun = handover(client, group, version)
    return begun if begun is not None and begun.topic else None


def record_handover(client: Client, plan: GroupPlan, done: Handover, now: int) -> None:
    """Write a version's hand-over as it stands at `now` (ms), in the place of what was written before."""
    times = [datetime.fromtimestamp(ms / 1000, UTC) for ms in (done.cut, now)]
    client.insert(
        "feature_group_handover",
        [[plan.name, plan.version, times[0], done.topic, times[1]]],
        column_names=["group", "version", "cut", "seed", "recorded_at"],
    )


def seed(client: Client, plan: GroupPlan, cut: int, memory: int) -> Iterator[list[dict[str, Any]]]:
    """Read the group's events with T < `cut` (ms) in the order of the log, in blocks.

    The query sorts in `memory` bytes, and what is beyond a part of them on disk.
    """
    arguments = [
        milliseconds(f"_a{i}") if argument.type is DataType.TIMESTAMP else typed(f"_a{i}", argument.type)
        for i, argument in enumerate(plan.arguments)
    ]
    selected = ", ".join(["entity", "_ts", "_t", "toString(_topic)", "_partition", "_offset", *arguments])
    settings = {"max_memory_usage": memory, "max_bytes_before_external_sort": memory // 4}
    sql = f"SELECT {selected} FROM ({events(plan, 0, cut)}) ORDER BY {LOG_ORDER}"
    return _blocks(client, sql, list(seed_types(plan)), settings)


def take_over(client: Client, plan: GroupPlan, cut: int) -> None:
    """Write the backfill's rows before `cut` (ms) to the stream's table, which is then whole."""
    names = ", ".join(column(name) for name in (*ROW_COLUMNS, *(f.name for f in plan.features)))
    client.command(
        f"INSERT INTO {column(plan.table)} ({names}) SELECT {names} FROM {column(plan.backfill_table)} FINAL "
        f"WHERE event_timestamp < {moment(cut)}"
    )


def last_rows(client: Client, plan: GroupPlan, cut: int) -> Iterator[list[dict[str, Any]]]:
    """Read each entity's last row with `event_timestamp` before `cut` (ms) out of the backfill, in blocks."""
    names = [*ROW_COLUMNS, *(f.name for f in plan.features)]
    times = {"event_timestamp", "last_event_time"}
    selected = ", ".join(
        milliseconds(f"r.{column(name)}") if name in times else f"r.{column(name)}" for name in names
    )
    sql = (
        f"SELECT {selected} FROM {column(plan.backfill_table)} AS r FINAL "
        f"WHERE r.event_timestamp < {moment(cut)} ORDER BY r.entity, r.seq DESC LIMIT 1 BY r.entity"
    )
    return _blocks(client, sql, names)


def _blocks(
    client: Client, sql: str, names: Sequence[str], settings: Mapping[str, int] | None = None
) -> Iterator[list[dict[str, Any]]]:
    with client.query_row_block_stream(sql, settings=dict(settings or {})) as blocks:
        for block in blocks:
            yield [dict(zip(names, row, strict=True)) for row in block]
