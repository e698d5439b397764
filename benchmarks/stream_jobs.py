"""The jobs that are measured: a group's own, and two by whose figures it is judged.

All read and write by the same connector, formats and settings. The copying job is the floor: what Kafka,
Avro and Flink take alone. The OVER job is what a user of Flink SQL would write for one window.
"""

from typing import Any

from features.plan import GroupPlan
from streams import sql
from streams.job import Cluster, session, start


def _record(name: str, **types: str) -> dict[str, Any]:
    fields = [{"name": field, "type": avro} for field, avro in types.items()]
    return {"type": "record", "name": name, "namespace": "benchmarks", "fields": fields}


COPIED = _record("copied", id="long", paid_at="long", card="string", amount="double")
SUMMED = _record(
    "summed", card="string", partition="int", offset="long", count_1h="long", amount_sum_1h="double"
)
_COPY = "SELECT `id`, `paid_at`, `card`, `amount` FROM {source} WHERE `id` IS NOT NULL"  # a tick is all NULL
_OVER = """SELECT `card`, `_partition`, `_offset`, COUNT(*) OVER w, SUM(`amount`) OVER w
FROM {source} WHERE `id` IS NOT NULL WINDOW w AS (
  PARTITION BY `card` ORDER BY `_kafka_time` RANGE BETWEEN INTERVAL '1' HOUR PRECEDING AND CURRENT ROW)"""


def copy(plan: GroupPlan, topic: str, at: sql.Addresses, cluster: Cluster) -> None:
    """Start the job that copies the group's source to a topic; it bears the topic's name."""
    _start(plan, topic, COPIED, _COPY, at, cluster)


def over(plan: GroupPlan, topic: str, at: sql.Addresses, cluster: Cluster) -> None:
    """Start the job that counts and sums over one hour in Flink SQL."""
    _start(plan, topic, SUMMED, _OVER, at, cluster)


def _start(
    plan: GroupPlan, topic: str, schema: dict[str, Any], query: str, at: sql.Addresses, cluster: Cluster
) -> None:
    tables = session(topic, cluster)
    tables.execute_sql(sql.source_table(plan, plan.source, at))
    tables.execute_sql(sql.sink_table(topic, schema, at, key="card"))
    start(tables, topic, [f"INSERT INTO `{topic}` {query.format(source=f'`{plan.source.name}`')}"])
