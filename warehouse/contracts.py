"""The contracts that were applied, as rows of `feature_group_config`."""

from collections.abc import Iterable

from clickhouse_connect.driver.client import Client

from features.contracts import AppliedContract
from features.plan import GroupPlan

_COLUMNS = (
    "group",
    "version",
    "entity",
    "source",
    "contract",
    "contract_hash",
    "owner",
    "meaning",
    "expected_max_lag_ms",
    "alert_threshold_ms",
    "on_stale",
    "quiet_after_ms",
    "applied_at",
)


def applied(client: Client) -> list[AppliedContract]:
    """Read the contracts that stand; none where nothing was applied yet."""
    if not client.query("EXISTS TABLE feature_group_config").result_rows[0][0]:
        return []
    found = client.query(
        "SELECT group, version, contract, contract_hash, toUnixTimestamp64Milli(applied_at) "
        "FROM feature_group_config FINAL ORDER BY group, version"
    )
    return [AppliedContract(*row) for row in found.result_rows]


def record(client: Client, plans: Iterable[GroupPlan], now: int) -> None:
    """Write the contracts of `plans` as applied at `now` (ms)."""
    rows = [
        [
            p.name,
            p.version,
            p.entity,
            ", ".join(source.name for source in p.inputs),
            p.to_json(),
            p.contract_hash,
            p.owner,
            p.meaning,
            p.expected_max_lag_ms,
            p.alert_threshold_ms,
            p.on_stale,
            p.quiet_after_ms,
            now,
        ]
        for p in plans
    ]
    if rows:
        client.insert("feature_group_config", rows, column_names=_COLUMNS)
