"""Entities of which nothing comes any more: they are asked about, and never were silent for so long."""

from clickhouse_connect.driver.client import Client

from warehouse.dialect import column
from warehouse.events import milliseconds, moment
from warehouse.samples import served, text

BEFORE_MS = 30 * 86_400_000
"""How far back the silences of before are looked for."""
LEAST_GAPS = 20
"""An entity's longest silence is known from so many on. Were its silences alike, one longer than n others
would have a chance of 1 / (n + 1); twice as long, for an event is served only when it has arrived."""


def silent(
    client: Client, model_name: str, group: str, table: str, since: int, until: int
) -> dict[str, float]:
    """Give the entities that were silent, each with its share of the vectors served in [since, until) (ms).

    A vector counts where the newest event behind its row of the group, which `table` holds, lay more than
    twice as far back as any two successive events of its entity lay apart in the 30 days before `since`.
    """
    vectors = served(model_name, {}, since, until)
    named = f"indexOf(rows.group, {text(group)}) AS _i"
    asked = (
        f"SELECT {named}, rows.entity[_i] AS entity, rows.seq[_i] AS seq, "
        f"{milliseconds('requested_at')} AS _at FROM {vectors.rows}"
    )
    known = (
        f"SELECT entity, seq, event_timestamp, {milliseconds('last_event_time')} AS _newest "
        f"FROM {column(table)} FINAL WHERE event_timestamp >= {moment(since - BEFORE_MS)} "
        f"AND event_timestamp < {moment(until)} AND entity IN (SELECT entity FROM asked)"
    )
    gaps = (
        "SELECT entity, max(_gap) AS _longest FROM (SELECT entity, _newest - lagInFrame(_newest, 1, _newest) "
        "OVER (PARTITION BY entity ORDER BY seq ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS _gap "
        f"FROM known WHERE event_timestamp < {moment(since)}) WHERE _gap > 0 "
        f"GROUP BY entity HAVING count() >= {LEAST_GAPS}"
    )
    sql = (
        f"WITH asked AS ({asked}), known AS ({known}), gaps AS ({gaps}) "
        "SELECT asked.entity, count() / (SELECT count() FROM asked) FROM asked "
        "INNER JOIN known ON asked.entity = known.entity AND asked.seq = known.seq "
        "INNER JOIN gaps ON asked.entity = gaps.entity "
        "WHERE asked._at - known._newest > 2 * gaps._longest GROUP BY asked.entity"
    )
    found = client.query(sql, dict(vectors.parameters)).result_rows
    return {str(entity): float(share) for entity, share in found}
