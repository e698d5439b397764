"""The drift check of the demo: what was served against what the model was trained on."""

import json
from dataclasses import dataclass

import numpy as np

from augury.clients import send_alert
from augury.settings import Settings
from features.policies import DriftPolicy
from flows.drift import ReferenceBins, psi
from flows.triggers import policy_name
from warehouse.client import Client
from warehouse.datasets import Dataset, read


@dataclass(frozen=True)
class Drift:
    """The PSI of each feature of the group that the model uses, and the alert that was raised, if any."""

    by_feature: dict[str, float]
    alert_id: str | None

    @property
    def worst(self) -> float:
        """The largest PSI."""
        return max(self.by_feature.values())


def check(
    client: Client, settings: Settings, policy: DriftPolicy, trained_on: Dataset, since: int, now: int
) -> Drift:
    """Compare the values served in [since, now) (ms) with the training set's, and raise an alert.

    The report goes to `feature_drift_report`, the alert to the `alerts` topic with `now` as its time.
    """
    group = policy.group
    names = [n for n in trained_on.names if n.startswith(f"{group.name}.")]
    reference = read(client, trained_on).select(names)
    served = client.query_arrow(
        "SELECT "
        + ", ".join(f"feature_values_used['{name}'] AS f{i}" for i, name in enumerate(names))
        + " FROM model_prediction_log FINAL WHERE model_name = {model:String} AND isNull(error)"
        " AND requested_at >= fromUnixTimestamp64Milli({since:Int64})"
        " AND requested_at < fromUnixTimestamp64Milli({now:Int64})",
        parameters={"model": policy.model.name, "since": since, "now": now},
    )
    found = {}
    rows = []
    for index, name in enumerate(names):
        held = reference.column(name).to_numpy(zero_copy_only=False).astype(np.float64)
        current = served.column(index).to_numpy(zero_copy_only=False).astype(np.float64)
        bins = ReferenceBins.of(held)
        found[name] = psi(bins.counts, bins.count(current))
        drifted = found[name] > policy.psi_threshold
        evidence = json.dumps({"edges": bins.edges, "reference": bins.counts})
        feature = name.partition(".")[2]
        rows.append(
            [
                f"{policy_name(policy)}/{now}",
                policy_name(policy),
                policy.model.name,
                group.name,
                group.version,
                feature,
                len(held),
                len(current),
                found[name],
                policy.psi_threshold,
                drifted,
                since,
                now,
                evidence,
            ]
        )
    client.insert("feature_drift_report", rows, column_names=_COLUMNS)
    drift = Drift(found, f"drift-{group.name}-{now}" if max(found.values()) > policy.psi_threshold else None)
    if drift.alert_id is not None:
        _raise(settings, policy, drift, now)
    return drift


_COLUMNS = (
    "report_id",
    "policy",
    "model_name",
    "group",
    "version",
    "feature",
    "reference_rows",
    "current_rows",
    "psi",
    "threshold",
    "drifted",
    "window_start",
    "window_end",
    "evidence",
)


def _raise(settings: Settings, policy: DriftPolicy, drift: Drift, now: int) -> None:
    alert = {
        "alert_id": drift.alert_id,
        "policy": policy_name(policy),
        "kind": "drift",
        "subject": policy.group.label,
        "model_name": policy.model.name,
        "severity": "warning",
        "evidence": json.dumps({"psi": drift.by_feature, "threshold": policy.psi_threshold}),
        "at": now,
    }
    send_alert(settings, alert)
