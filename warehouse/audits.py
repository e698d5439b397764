"""Audits, kept where SQL can read them: `served_vector_audit`, one row for each."""

from clickhouse_connect.driver.client import Client

from warehouse.audit import Audit
from warehouse.visible import VisibleLag


def keep(
    client: Client,
    audit_id: str,
    model_name: str,
    since: int,
    until: int,
    sample: int | None,
    found: Audit,
    lag: VisibleLag,
) -> None:
    """Write what an audit of [since, until) (ms) found, whole, in place of what `audit_id` stood for."""
    row = {
        "audit_id": audit_id,
        "model_name": model_name,
        "since": since,
        "until": until,
        "sample": sample,
        "vectors": found.vectors,
        "mismatches": found.mismatches,
        "skipped": found.skipped,
        "differences.feature": [d.feature for d in found.differences],
        "differences.cause": [d.cause.value for d in found.differences],
        "differences.vectors": [d.vectors for d in found.differences],
        "rows": lag.rows,
        "current": lag.current,
        "missing": lag.missing,
        "defaulted": lag.defaulted,
        "lag_p50_ms": lag.p50_ms,
        "lag_p99_ms": lag.p99_ms,
        "serving_delay_ms": lag.delay_ms,
        "agreeing": lag.agreeing,
    }
    client.insert("served_vector_audit", [list(row.values())], column_names=list(row))
