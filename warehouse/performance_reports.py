"""What performance checks found, as rows of `model_performance_monitor`: one for each segment and window."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from clickhouse_connect.driver.client import Client


@dataclass(frozen=True)
class Watched:
    """One check: which policy's metric, of which model version, over [start, end) (ms)."""

    policy: str
    model_name: str
    model_version: int
    metric: str
    threshold: float
    start: int
    end: int


@dataclass(frozen=True)
class Row:
    """A metric of a segment's units beside the holdout's; fields as the table's columns have them.

    `basis` is measured or estimated. All units are the segment "" by "". Too few units have no p value.
    """

    basis: str
    segment_by: str
    segment: str
    units: int
    value: float | None
    low: float | None = None
    high: float | None = None
    reference: float | None = None
    worse: float | None = None
    p_value: float | None = None
    gap: float | None = None
    gap_low: float | None = None
    gap_high: float | None = None
    log_e: float | None = None
    ks_statistic: float | None = None
    ks_p_value: float | None = None
    ks_larger: float | None = None
    ks_breached: bool = False
    breached: bool = False


def keep(client: Client, watched: Watched, rows: Iterable[Row]) -> None:
    """Write the rows of a window, in place of those that stood."""
    window: dict[str, object] = {
        "window_start": watched.start,
        "window_end": watched.end,
        "threshold": watched.threshold,
    }
    window |= {"policy": watched.policy, "model_name": watched.model_name, "metric": watched.metric}
    window |= {"model_version": watched.model_version}
    found = [asdict(row) | window for row in rows]
    if found:
        columns = list(found[0])
        client.insert(
            "model_performance_monitor", [[f[c] for c in columns] for f in found], column_names=columns
        )
