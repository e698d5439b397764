"""The audit: every served vector recomputed from raw events, by the identity of its rows.

A row is a function of the log, so the backfill's row of the same `(entity, seq)` is what the served one
must be. How far the rows that were visible lagged the log is another question, and told apart.
"""

from dataclasses import dataclass

from clickhouse_connect.driver.client import Client

from features.plan import NamedExpression
from features.types import DataType
from features.vector import ModelPlan, VectorGroup
from warehouse.dialect import CLICKHOUSE, column, text
from warehouse.events import moment


@dataclass(frozen=True)
class Audit:
    """What an audit found: vectors audited, vectors that differ, and values that differ by feature.

    `skipped` counts the vectors of other group versions than the plan's: nothing is said of them.
    """

    vectors: int
    mismatches: int
    by_feature: dict[str, int]
    skipped: int


@dataclass(frozen=True)
class VisibleLag:
    """How far the rows used lagged the log, over all rows used in answers.

    `current` counts those that were the newest the log held at the request, `ahead` those of a later
    moment than the request (there should be none); lags in ms of the log's clock.
    """

    rows: int
    current: int
    ahead: int
    p50_ms: float
    p99_ms: float


def audit(client: Client, plan: ModelPlan, since: int, until: int) -> Audit:
    """Recompute the vectors of answers to requests made in [since, until) (ms), and compare them.

    The backfill of the model's groups must have come as far as the rows that were used.
    """
    checks = [_stored(group, plan, since, until) for group in plan.groups]
    checks += [_listed(group, plan, since, until) for group in plan.groups]
    if plan.on_demand:
        checks.append(_on_demand(plan, since, until))
    found = " UNION ALL ".join(checks)
    by_feature = {
        name: int(count)
        for name, count in client.query(
            f"SELECT _feature, count() FROM ({found}) GROUP BY _feature ORDER BY _feature"
        ).result_rows
    }
    mismatches = client.query(f"SELECT uniqExact(deduplication_key) FROM ({found})").result_rows[0][0]
    vectors, skipped = client.query(
        f"SELECT countIf({_of(plan)}), countIf(NOT {_of(plan)}) FROM ({_logged(plan, since, until)})"
    ).result_rows[0]
    return Audit(int(vectors), int(mismatches), by_feature, int(skipped))


def visible_lag(client: Client, plan: ModelPlan, since: int, until: int) -> VisibleLag:
    """Compare each row used with the newest that the log held at the request's time."""
    parts = []
    for group in plan.groups:
        newest = (
            f"SELECT entity, event_timestamp, max(seq) AS seq FROM backfill_{group.group}_v{group.version} "
            "FINAL GROUP BY entity, event_timestamp"
        )
        parts.append(
            f"SELECT u._at AS _used, u._seq AS _used_seq, n.event_timestamp AS _newest, n.seq AS _seq, "
            f"u.requested_at AS _asked FROM ({_used(group, plan, since, until)}) AS u "
            f"ASOF LEFT JOIN ({newest}) AS n ON u._entity = n.entity AND u.requested_at >= n.event_timestamp"
        )
    lag = "if(_used_seq < 0, NULL, greatest(0, date_diff('millisecond', _used, _newest)))"
    row = client.query(
        f"SELECT count(), countIf(ifNull(_used_seq = _seq, 0) OR (_used_seq < 0 AND isNull(_seq))), "
        f"countIf(_used_seq >= 0 AND _used > _asked), quantileExact(0.5)({lag}), quantileExact(0.99)({lag}) "
        f"FROM ({' UNION ALL '.join(parts)}) SETTINGS join_use_nulls = 1"
    ).result_rows[0]
    return VisibleLag(int(row[0]), int(row[1]), int(row[2]), float(row[3] or 0), float(row[4] or 0))


def _logged(plan: ModelPlan, since: int, until: int) -> str:
    return (
        f"SELECT * FROM model_prediction_log FINAL WHERE model_name = {text(plan.name)} AND isNull(error) "
        f"AND notEmpty(rows.group) AND requested_at >= {moment(since)} AND requested_at < {moment(until)}"
    )


def _of(plan: ModelPlan) -> str:
    """Tell in SQL whether no row of an answer is of another version of a group than the plan's."""
    others = " OR ".join(f"(g = {text(g.group)} AND v != {g.version})" for g in plan.groups)
    return f"NOT arrayExists((g, v) -> {others or '0'}, rows.group, rows.version)"


def _answers(plan: ModelPlan, since: int, until: int) -> str:
    return f"{_logged(plan, since, until)} AND {_of(plan)}"


def _used(group: VectorGroup, plan: ModelPlan, since: int, until: int) -> str:
    return (
        "SELECT deduplication_key, requested_at, feature_values_used, "
        "r.1 AS _entity, r.2 AS _at, r.3 AS _seq "
        f"FROM ({_answers(plan, since, until)}) ARRAY JOIN arrayFilter((x, g, v) -> "
        f"g = {text(group.group)} AND v = {group.version}, "
        "arrayZip(rows.entity, rows.event_timestamp, rows.seq), rows.group, rows.version) AS r"
    )


def _stored(group: VectorGroup, plan: ModelPlan, since: int, until: int) -> str:
    """Select an answer and a feature for each value that is not the recomputed row's."""
    used = _used(group, plan, since, until)
    compared = [f"('{group.group}', ifNull(_seq >= 0 AND (isNull(b.seq) OR b.event_timestamp != _at), 0))"]
    for position in group.positions:
        feature = group.features[position]
        name = f"{group.group}.{feature.name}"
        served = f"feature_values_used[{text(name)}]"
        truth = f"CAST(b.{column(feature.name)}, 'Nullable(Float64)')"
        missing = f"NOT mapContains(feature_values_used, {text(name)})"
        compared.append(f"({text(name)}, {missing} OR {served} IS DISTINCT FROM {truth})")
    return (
        "SELECT deduplication_key, _check.1 AS _feature "
        f"FROM (SELECT u.deduplication_key, [{', '.join(compared)}] AS _checks FROM ({used}) AS u "
        f"LEFT JOIN (SELECT * FROM backfill_{group.group}_v{group.version} FINAL) AS b "
        "ON u._entity = b.entity AND u._seq = b.seq SETTINGS join_use_nulls = 1) "
        "ARRAY JOIN arrayFilter(c -> c.2 = 1, _checks) AS _check"
    )


def _listed(group: VectorGroup, plan: ModelPlan, since: int, until: int) -> str:
    """Select the answers that do not name exactly one row of the group."""
    return (
        f"SELECT deduplication_key, {text(f'{group.group}: not one row')} AS _feature "
        f"FROM ({_answers(plan, since, until)}) WHERE arrayCount((g, v) -> g = {text(group.group)} "
        f"AND v = {group.version}, rows.group, rows.version) != 1"
    )


def _on_demand(plan: ModelPlan, since: int, until: int) -> str:
    inputs = ", ".join(f"{_input(name, t)} AS {column(name)}" for name, t in plan.inputs.items())
    checks = ", ".join(_differs(d) for d in plan.on_demand)
    return (
        "SELECT deduplication_key, _check.1 AS _feature "
        f"FROM (SELECT deduplication_key, [{checks}] AS _checks "
        f"FROM (SELECT deduplication_key, feature_values_used, {inputs} "
        f"FROM ({_answers(plan, since, until)}))) "
        "ARRAY JOIN arrayFilter(c -> c.2 = 1, _checks) AS _check"
    )


def _differs(named: NamedExpression) -> str:
    truth = f"CAST({CLICKHOUSE.render(named.expression)}, 'Nullable(Float64)')"
    return f"({text(named.name)}, feature_values_used[{text(named.name)}] IS DISTINCT FROM {truth})"


_JSON_TYPES = {
    DataType.INTEGER: "Nullable(Int64)",
    DataType.DOUBLE: "Nullable(Float64)",
    DataType.BOOLEAN: "Nullable(Bool)",
    DataType.TEXT: "Nullable(String)",
}


def _input(name: str, data_type: DataType) -> str:
    if data_type is DataType.TIMESTAMP:
        return f"fromUnixTimestamp64Milli(JSONExtract(inputs, {text(name)}, 'Nullable(Int64)'), 'UTC')"
    return f"JSONExtract(inputs, {text(name)}, {text(_JSON_TYPES[data_type])})"
