"""What drift checks found, as rows of `feature_drift_report`: one for each feature and window."""

from collections.abc import Iterable
from dataclasses import dataclass

from clickhouse_connect.driver.client import Client

from warehouse.references import Reference


@dataclass(frozen=True)
class Window:
    """One check: which policy's, of which model version, over [start, end) (ms). No group is ("", 0)."""

    policy: str
    model_name: str
    model_version: int
    group: str
    version: int
    start: int
    end: int


@dataclass(frozen=True)
class Finding:
    """What one feature's values of a window are beside its reference.

    Of a window with too few rows there is an index, and nothing to judge it by. `threshold` is what
    `drifted` went by.
    """

    reference: Reference
    counts: tuple[int, ...]
    psi: float
    statistic: float | None
    effect_size: float | None
    p_value: float | None
    q_value: float | None
    threshold: float
    drifted: bool
    causes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """How many values the window had, missing ones too."""
        return sum(self.counts)

    @property
    def missing_share(self) -> float:
        """The share of missing values in the window."""
        return self.counts[-1] / max(self.rows, 1)

    @property
    def missing_share_reference(self) -> float:
        """The share of missing values in the reference."""
        return self.reference.counts[-1] / max(self.reference.rows, 1)


def keep(client: Client, window: Window, findings: Iterable[Finding]) -> None:
    """Write the findings of a window, in place of those that stood."""
    rows = [
        {
            "report_id": f"{window.policy}/{window.end}",
            "policy": window.policy,
            "model_name": window.model_name,
            "model_version": window.model_version,
            "group": window.group,
            "version": window.version,
            "feature": f.reference.feature,
            "method": f.reference.method,
            "n_reference": f.reference.rows,
            "n": f.rows,
            "psi": f.psi,
            "statistic": f.statistic,
            "effect_size": f.effect_size,
            "p_value": f.p_value,
            "q_value": f.q_value,
            "threshold": f.threshold,
            "drifted": f.drifted,
            "missing_share_reference": f.missing_share_reference,
            "missing_share": f.missing_share,
            "window_start": window.start,
            "window_end": window.end,
            "edges": list(f.reference.bins.edges),
            "levels": list(f.reference.bins.levels or ()),
            "reference_counts": list(f.reference.counts),
            "counts": list(f.counts),
            "causes": list(f.causes),
        }
        for f in findings
    ]
    if rows:
        client.insert(
            "feature_drift_report", [list(row.values()) for row in rows], column_names=list(rows[0])
        )
