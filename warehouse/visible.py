"""How far what was visible lagged the log: the rows that answers used against those that the log held."""

from dataclasses import dataclass

from clickhouse_connect.driver.client import Client

from features.vector import ModelPlan, VectorGroup
from warehouse.answers import Answers, used_sql
from warehouse.events import milliseconds, moment


@dataclass(frozen=True)
class VisibleLag:
    """How far the rows used lagged the log, over all rows used in answers.

    `current` counts those that were the newest the log held at the request, `ahead` those of a later
    moment than the request (there should be none), `missing` those that were not there while the log
    held one, `defaulted` those in whose place defaults stood; lags in ms of the log's clock. With
    `delay_ms` as its serving delay, the as-of join of a training set takes `agreeing` of these rows as they
    were served, and with no delay more; none of those that were passed over because they were stale.
    """

    rows: int
    current: int
    ahead: int
    missing: int
    defaulted: int
    p50_ms: float
    p99_ms: float
    delay_ms: int
    agreeing: int


def visible_lag(
    client: Client, plan: ModelPlan, since: int, until: int, sample: int | None = None
) -> VisibleLag:
    """Compare each row used with the newest that the log held at the request's time.

    The range, the sample and the backfill are as in `warehouse.audit.audit`.
    """
    answers = Answers(plan, since, until, sample)
    parts = [
        "SELECT u._at AS _used, u._seq AS _used_seq, u._defaulted AS _defaulted, "
        "n.event_timestamp AS _newest, n.seq AS _seq, "
        f"u.requested_at AS _asked FROM ({used_sql(group, answers)}) AS u "
        f"ASOF LEFT JOIN ({_holding(group)}) AS n "
        "ON u._entity = n.entity AND u.requested_at >= n.event_timestamp"
        for group in plan.groups
    ]
    lag = "if(_used_seq < 0, NULL, greatest(0, date_diff('millisecond', _used, _newest)))"
    row = client.query(
        f"SELECT count(), countIf(ifNull(_used_seq = _seq, 0) OR (_used_seq < 0 AND isNull(_seq))), "
        f"countIf(_used_seq >= 0 AND _used > _asked), countIf(_used_seq < 0 AND isNotNull(_seq)), "
        "countIf(_defaulted), "
        f"quantileExact(0.5)({lag}), quantileExact(0.99)({lag}) "
        f"FROM ({' UNION ALL '.join(parts)}) SETTINGS join_use_nulls = 1"
    ).result_rows[0]
    rows, current, ahead, missing, defaulted = (int(n) for n in row[:5])
    p50, p99 = (float(ms or 0) for ms in row[5:])
    delay, agreeing = _delay(client, answers)
    return VisibleLag(rows, current, ahead, missing, defaulted, p50, p99, delay, agreeing)


def _delay(client: Client, answers: Answers) -> tuple[int, int]:
    """Give the least serving delay (ms) under which the most rows used are those joined, and how many are.

    A row used is the one joined exactly for the delays from just above the age that its successor had
    at the request, up to its own age. So the answer is where the most of these ranges overlap.
    """
    ranges = " UNION ALL ".join(_delays(group, answers) for group in answers.plan.groups)
    edges = f"SELECT e.1 AS _ms, e.2 AS _step FROM ({ranges}) ARRAY JOIN [(_low, 1), (_high + 1, -1)] AS e"
    found = client.query(
        f"SELECT _ms, sum(sum(_step)) OVER (ORDER BY _ms) AS _agreeing FROM ({edges}) "
        "GROUP BY _ms ORDER BY _agreeing DESC, _ms LIMIT 1"
    ).result_rows
    return (int(found[0][0]), int(found[0][1])) if found else (0, 0)


def _delays(group: VectorGroup, answers: Answers) -> str:
    """Select, for each row used that some delay explains, the least and the greatest such delay (ms)."""
    # an answer names a missing row by 0 and -1: it is what an entity has before its first row
    first = f"SELECT DISTINCT entity, {moment(0)}, toInt64(-1) FROM backfill_{group.group}_v{group.version}"
    followed = (
        "SELECT entity, event_timestamp, seq, leadInFrame(toNullable(event_timestamp)) OVER (PARTITION BY "
        "entity ORDER BY event_timestamp, seq ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS _next "
        f"FROM ({_holding(group)} UNION ALL {first})"
    )
    asked = milliseconds("u.requested_at")
    low = f"if(ifNull(n._next <= u.requested_at, 0), {asked} - {milliseconds('n._next')} + 1, 0)"
    high = f"if(u._seq < 0, {2**62}, {asked} - {milliseconds('u._at')})"
    return (
        f"SELECT assumeNotNull({low}) AS _low, {high} AS _high FROM ({used_sql(group, answers)}) AS u "
        f"LEFT JOIN ({followed}) AS n "
        "ON u._entity = n.entity AND u._at = n.event_timestamp AND u._seq = n.seq "
        "WHERE (u._seq < 0 OR (isNotNull(n.seq) AND NOT u._defaulted)) AND _low <= _high "
        "SETTINGS join_use_nulls = 1"
    )


def _holding(group: VectorGroup) -> str:
    """Select the rows that hold at their moment: of those that share one the highest `seq`."""
    return (
        f"SELECT entity, event_timestamp, max(seq) AS seq FROM backfill_{group.group}_v{group.version} "
        "FINAL GROUP BY entity, event_timestamp"
    )
