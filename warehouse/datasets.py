"""Training sets as they were servable: each label's vector, as the log held it at its prediction time.

The join goes by `event_timestamp`, the log's clock: no row can enter that the log did not yet hold then.
Where it finds none, a group's defaults stand as in serving; that a row was stale is not in the log.
A dataset is a table of its own, named and versioned, with the hash of its content. The engine holds the
rows that it joins with, so where they are many the set is built by ranges of one entity's keys.
"""

import hashlib
import json
import re
from dataclasses import dataclass, replace
from itertools import pairwise

import pyarrow as pa
from clickhouse_connect.driver.client import Client

from features.vector import EVENT_TIMESTAMP, REQUESTED_AT, ModelPlan, VectorGroup
from warehouse.defaults import filled
from warehouse.dialect import CLICKHOUSE, column
from warehouse.events import entity_text, milliseconds, moment
from warehouse.on_demand import on_demand_sql
from warehouse.parts import packed

STREAM, BACKFILL = "features", "backfill"
SLICE_ROWS = 2_000_000  # of all groups together, some 100 bytes each; small joins are the fastest
_LABEL_COLUMNS = ("request_id", "prediction_time", "label_time", "label")


@dataclass(frozen=True)
class Dataset:
    """A stored training set; `names` is the vector's order. `content_hash` is equal for equal rows."""

    name: str
    version: int
    table: str
    rows: int
    content_hash: str
    names: tuple[str, ...]
    group_versions: dict[str, int]
    serving_delay_ms: int


def build(
    client: Client,
    name: str,
    plan: ModelPlan,
    since: int,
    until: int,
    *,
    origin: str = BACKFILL,
    slice_rows: int = SLICE_ROWS,
) -> Dataset:
    """Join the labels of predictions made in [since, until) (ms) with their vectors, and store the set.

    Only labels that the log held before `until`, and within the label's horizon, count. `origin` says
    whose rows are read: the backfill's or the stream's. A row enters from the plan's serving delay on.
    Of the entity with the most rows about `slice_rows` are held at once, or one key's, or as many as other
    entities have, of which all are. The set does not depend on it.
    """
    version = 1 + int(
        client.query(
            "SELECT max(version) FROM datasets WHERE name = {name:String}", parameters={"name": name}
        ).result_rows[0][0]
    )
    table = _table(name, version)
    sql = dataset_sql(plan, since, until, origin=origin)
    client.command(f"DROP TABLE IF EXISTS {column(table)}")
    entity, keys = _edges(client, plan, origin, slice_rows)
    create = f"CREATE TABLE {column(table)} ENGINE MergeTree ORDER BY (prediction_time, request_id)"
    if keys:
        client.command(f"{create} EMPTY AS {sql}")
        _fill(client, plan, table, since, until, origin, entity, keys)
    else:
        client.command(f"{create} AS {sql}")
    rows, content_hash = _content(client, table)
    group_versions = {g.group: g.version for g in plan.groups}
    record = {
        "name": name,
        "version": version,
        "table_name": table,
        "model_name": plan.name,
        "group_versions": json.dumps(group_versions),
        "sql": sql,
        "rows": rows,
        "content_hash": content_hash,
        "origin": origin,
        "serving_delay_ms": plan.serving_delay_ms,
        "contract": json.dumps(plan.to_dict(), ensure_ascii=False),
    }
    client.insert("datasets", [list(record.values())], column_names=list(record))
    return Dataset(
        name, version, table, rows, content_hash, plan.names, group_versions, plan.serving_delay_ms
    )


def find(client: Client, name: str, plan: ModelPlan) -> Dataset | None:
    """Give the newest set stored under a name for a model, if there is one."""
    found = client.query(
        "SELECT version, table_name, rows, content_hash, serving_delay_ms FROM datasets FINAL "
        "WHERE name = {name:String} AND model_name = {model:String} ORDER BY version DESC LIMIT 1",
        parameters={"name": name, "model": plan.name},
    ).result_rows
    if not found:
        return None
    version, table, rows, content_hash, delay = found[0]
    group_versions = {g.group: g.version for g in plan.groups}
    return Dataset(name, int(version), table, int(rows), content_hash, plan.names, group_versions, int(delay))


def stored(client: Client, name: str, version: int) -> Dataset | None:
    """Give a stored set, in the order of its own contract; None where it, or that, is not there."""
    found = client.query(
        "SELECT table_name, rows, content_hash, serving_delay_ms, contract FROM datasets FINAL "
        "WHERE name = {name:String} AND version = {version:Int64} AND notEmpty(contract)",
        parameters={"name": name, "version": version},
    ).result_rows
    if not found:
        return None
    table, rows, content_hash, delay, contract = found[0]
    plan = ModelPlan.from_dict(json.loads(contract))
    group_versions = {g.group: g.version for g in plan.groups}
    return Dataset(name, version, table, int(rows), content_hash, plan.names, group_versions, int(delay))


def as_it_is(client: Client, dataset: Dataset) -> Dataset | None:
    """Give a stored set with the rows and the hash that its table has now; None where the table is gone."""
    if not client.query(f"EXISTS TABLE {column(dataset.table)}").result_rows[0][0]:
        return None
    rows, content_hash = _content(client, dataset.table)
    return replace(dataset, rows=rows, content_hash=content_hash)


def read(client: Client, dataset: Dataset) -> pa.Table:
    """Read a set in order of prediction: request_id, prediction_time, label_time, label, then the vector."""
    selected = [*_LABEL_COLUMNS, *(f"{value_column(n)} AS {column(n)}" for n in dataset.names)]
    return client.query_arrow(
        f"SELECT {', '.join(selected)} FROM {column(dataset.table)} ORDER BY prediction_time, request_id",
        use_strings=True,
    )


def _content(client: Client, table: str) -> tuple[int, str]:
    rows, content_hash = client.query(
        f"SELECT count(), hex(sum(cityHash64(toString(tuple(*))))) FROM {column(table)}"
    ).result_rows[0]
    return int(rows), str(content_hash)


def dataset_sql(plan: ModelPlan, since: int, until: int, *, origin: str = BACKFILL) -> str:
    """Write the as-of join."""
    return _joined(plan, f"({labels_sql(plan, since, until)})", origin)


def _joined(plan: ModelPlan, labels: str, origin: str, entity: str = "", within: str = "1") -> str:
    """Write the join of a selection of labels, with those rows of an entity's groups that are `within`."""
    times = {group.timestamp: f"_g{i}.event_timestamp" for i, group in enumerate(plan.groups)}
    held = {
        group.name(p): filled(
            group, p, f"_g{i}.{column(group.features[p].name)}", f"isNull({times[group.timestamp]})"
        )
        for i, group in enumerate(plan.groups)
        for p in range(len(group.features))
    }
    given = {name: f"_s.{column(f'_in_{name}')}" for name in plan.inputs}
    read = {**given, REQUESTED_AT: "_s._prediction_time", **times, **held}
    label = [f"_s.{column(f'_{n}')} AS {column(n)}" for n in _LABEL_COLUMNS]
    stored = [
        f"CAST({held[group.name(p)]}, 'Nullable(Float64)') AS {value_column(group.name(p))}"
        for group in plan.groups
        for p in group.positions
    ]
    on_demand = [f"{on_demand_sql(d, read)} AS {column(d.name)}" for d in plan.on_demand]
    joins = " ".join(
        _as_of(i, plan, group, origin, f" WHERE {within}" if group.entity == entity else "")
        for i, group in enumerate(plan.groups)
    )
    return (
        f"SELECT {', '.join([*label, *stored, *on_demand])} "
        f"FROM {labels} AS _s {joins} SETTINGS join_use_nulls = 1"
    )


def _edges(client: Client, plan: ModelPlan, origin: str, slice_rows: int) -> tuple[str, list[str]]:
    """Choose the entity with the most rows, and the keys between which about `slice_rows` of them lie."""
    counts: dict[str, dict[str, int]] = {}
    for group in plan.groups:
        table = _rows_of(group, origin)
        held = client.query(f"SELECT count() FROM {table}").result_rows[0][0]
        counts.setdefault(group.entity, {})[table] = int(held)
    if not counts:
        return "", []
    entity, tables = max(counts.items(), key=lambda found: sum(found[1].values()))
    rows = sum(tables.values())
    others = sum(sum(held.values()) for held in counts.values()) - rows
    slices = -(-rows // max(slice_rows, others))  # each slice reads the others' rows anew
    if slices < 2:
        return entity, []
    largest = max(tables, key=lambda table: tables[table])
    every = -(-tables[largest] // slices)
    # the table is in order of its entities: this reads one column of it, and sorts nothing
    found = client.query(
        f"SELECT DISTINCT entity FROM (SELECT entity, rowNumberInAllBlocks() AS _n FROM "
        f"(SELECT entity FROM {largest} ORDER BY entity)) WHERE _n > 0 AND _n % {every} = 0 ORDER BY entity"
    )
    return entity, [row[0] for row in found.result_rows]


def _fill(
    client: Client,
    plan: ModelPlan,
    table: str,
    since: int,
    until: int,
    origin: str,
    entity: str,
    keys: list[str],
) -> None:
    """Join range by range; the labels are sorted by the entity's key first, so that each is read once."""
    staged = column(f"{table}_labels")
    key = f"ifNull({column(f'_key_{entity}')}, '')"
    client.command(f"DROP TABLE IF EXISTS {staged}")
    try:
        client.command(
            f"CREATE TABLE {staged} ENGINE MergeTree ORDER BY {key} AS {labels_sql(plan, since, until)}"
        )
        for low, high in pairwise([None, *keys, None]):
            labels, rows = _between(key, low, high), _between("entity", low, high)
            part = f"(SELECT * FROM {staged} WHERE {labels})"
            client.command(f"INSERT INTO {column(table)} {_joined(plan, part, origin, entity, rows)}")
    finally:
        client.command(f"DROP TABLE IF EXISTS {staged}")


def _between(key: str, low: str | None, high: str | None) -> str:
    """Keep the keys from `low` to before `high`, in the order of their bytes."""
    ends = [
        f"{key} {sign} unhex('{end.encode().hex()}')"
        for sign, end in ((">=", low), ("<", high))
        if end is not None
    ]
    return " AND ".join(ends) or "1"


def labels_sql(plan: ModelPlan, since: int, until: int) -> str:
    """Select the labels that arrived in time, each request once, with entity keys and inputs.

    Its columns begin with `_`, as no name of a user does: an alias would hide a source's column of its name.
    """
    label = plan.label
    keep = "1" if label.where is None else f"({CLICKHOUSE.render(label.where)}) = 1"
    keys = [
        f"{entity_text([(k, plan.label_columns[k]) for k in keys])} AS {column(f'_key_{entity}')}"
        for entity, keys in plan.entities.items()
    ]
    given = [f"{column(name)} AS {column(f'_in_{name}')}" for name in plan.inputs]
    named = "".join(f", {part}" for part in (*keys, *given))
    value = CLICKHOUSE.render(label.value)
    return (
        f"SELECT assumeNotNull(toString({column(label.request_id)})) AS _request_id, "
        f"assumeNotNull(addMilliseconds({column(label.due)}, -{label.lead_ms})) AS _prediction_time, "
        f"log_time AS _label_time, assumeNotNull(toFloat64({value})) AS _label{named} "
        f"FROM (SELECT * FROM {label.source} FINAL WHERE log_time < {moment(until)} "
        f"ORDER BY log_time, log_topic, log_partition, log_offset LIMIT 1 BY {column(label.request_id)}) "
        f"WHERE {keep} AND isNotNull({column(label.request_id)}) AND isNotNull({column(label.due)}) "
        f"AND isNotNull({value}) "
        f"AND _prediction_time >= {moment(since)} AND _prediction_time < {moment(until)} "
        f"AND _label_time <= addMilliseconds(_prediction_time, {label.horizon_ms})"
    )


def _table(name: str, version: int) -> str:
    """Name the table of a set: readable, and its own for each name."""
    readable = re.sub(r"\W+", "_", name)[:60]
    return f"dataset_{readable}_{hashlib.sha256(name.encode()).hexdigest()[:8]}_v{version}"


def value_column(name: str) -> str:
    """Name the column of a stored set that holds a value of the vector, or the label."""
    return column(_spelled(name))


def _spelled(name: str) -> str:
    return name.replace(".", "__")  # a dot would make the column a part of a nested one


def _rows_of(group: VectorGroup, origin: str) -> str:
    return f"{origin}_{group.group}_v{group.version}"


def _as_of(index: int, plan: ModelPlan, group: VectorGroup, origin: str, where: str) -> str:
    positions = sorted({*group.positions, *plan.read_on_demand(group)})
    read = [group.features[p].name for p in positions]
    if group.timestamp in plan.named_on_demand or group.defaults:  # NULL where there is no row
        read.append(EVENT_TIMESTAMP)
    names = ", ".join(map(column, read))
    # of the rows that share a clock time the highest seq holds
    place = _place(milliseconds("event_timestamp"), "seq")
    held = f"SELECT entity, {place} AS _place, {names} FROM {_rows_of(group, origin)} FINAL{where}"
    seen = _place(
        f"{milliseconds('_s._prediction_time')} - {plan.serving_delay_ms}", f"toInt128('{2**63 - 1}')"
    )
    return (
        f"ASOF LEFT JOIN ({held}) AS _g{index} "
        f"ON _s.{column(f'_key_{group.entity}')} = _g{index}.entity AND {seen} >= _g{index}._place"
    )


def _place(clock: str, seq: str) -> str:
    """Write a clock time (ms) and a seq as one number of the same order: ASOF compares no more than one."""
    return f"toDecimal128({packed(clock, seq)}, 0)"
