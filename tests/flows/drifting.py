"""A model of one group, its training set, and a window of what it was asked and answered."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import numpy as np

from features import count, last, maximum, total
from features.policies import DriftPolicy
from features.project import Project, collect
from inference.registry import ModelStatus, ModelVersion
from tests import definitions
from tests.definitions import carrier, gate, landed, late, plain
from warehouse.client import Client
from warehouse.tables import group_tables
from warehouse.targets import RECORDS

DAY = 86_400_000
END = 1_700_006_400_000  # a midnight, so that whole windows end there
TRAINED, SERVED = 4_000, 1_000
MODEL = replace(
    late,
    entities=[carrier],
    features=[plain["count_1h"], plain["delay_mean_1h"]],
    inputs={},
    on_demand={},
)
lifetime = replace(
    definitions.lifetime,
    entity=gate,
    source=landed(),
    aggregates=[count(), total("seats"), maximum("delay"), last("hour"), last("carrier")],
)
FEATURES = DriftPolicy(plain, MODEL, retrain=True)
OUTPUTS = DriftPolicy(None, MODEL)
ROWS = DriftPolicy(lifetime, MODEL, values="rows", categorical=("hour_last",))
TABLE = "a_training_set"
VERSION = ModelVersion(
    "late", 3, ModelStatus.CHAMPION, "file:///none", "0", "lightgbm", "onnx", {}, "an experiment", 0
)


def project(*policies: DriftPolicy) -> Project:
    """Give the project with some policies, or with all three."""
    module = ModuleType("drifting")
    chosen = {f"policy_{i}": p for i, p in enumerate(policies or (FEATURES, OUTPUTS, ROWS))}
    vars(module).update(model=MODEL, lifetime=lifetime, **chosen)
    return collect(module)


def values(n: int, seed: int) -> dict[str, Any]:
    """Draw counts, mean delays of which some are missing, answers and labels."""
    random = np.random.default_rng(seed)
    delays = random.normal(8, 12, n).tolist()
    return {
        "count": random.poisson(30, n).astype(float).tolist(),
        "delay": [None if missing else v for v, missing in zip(delays, random.random(n) < 0.03, strict=True)],
        "prediction": random.beta(2, 5, n).tolist(),
        "label": (random.random(n) < 0.3).astype(float).tolist(),
    }


@dataclass(frozen=True)
class History:
    """Writes training sets, answers, labels and rows, beginning with empty tables."""

    client: Client

    def clear(self) -> None:
        """Empty all that checks read and write."""
        for plan in project().group_plans.values():
            for statement in group_tables(plan):
                self.client.command(statement)
            self.client.command(f"TRUNCATE TABLE {plan.table}")
        reports = ("feature_drift_report", "model_performance_monitor")
        for table in (
            "model_prediction_log",
            "ground_truth",
            "drift_reference",
            "holdout_predictions",
            *reports,
        ):
            self.client.command(f"TRUNCATE TABLE {table}")

    def trained(self, drawn: dict[str, Any]) -> None:
        """Write the training set: predictions of the 30 days before the last ten."""
        self.client.command(f"DROP TABLE IF EXISTS {TABLE}")
        self.client.command(
            f"CREATE TABLE {TABLE} (prediction_time DateTime64(3, 'UTC'), label Float64, "
            "plain__count_1h Nullable(Float64), plain__delay_mean_1h Nullable(Float64)) "
            "ENGINE MergeTree ORDER BY prediction_time"
        )
        n = len(drawn["label"])
        at = [END - 40 * DAY + i * 30 * DAY // n for i in range(n)]
        lines = list(zip(at, drawn["label"], drawn["count"], drawn["delay"], strict=True))
        self.client.insert(TABLE, lines, column_names=["prediction_time", "label", *_STORED])

    def served(
        self, drawn: dict[str, Any], *, state: str = "fresh", version: int = 3, frozen: Sequence[str] = ()
    ) -> None:
        """Log answers over the last day, each with its label; features are `frozen` in the first half."""
        target, n = RECORDS["prediction.results"], len(drawn["label"])
        lines, labels = [], []
        for i in range(n):
            at = END - DAY + i * DAY // n
            used = {"plain.count_1h": drawn["count"][i], "plain.delay_mean_1h": drawn["delay"][i]}
            row = {"group": "plain", "version": 1, "entity": "A", "event_timestamp": at, "seq": 1}
            record = {
                "deduplication_key": f"{version}/{i}",
                "request_id": f"{i}",
                "model_name": "late",
                "model_version_used": version,
                "variant": "champion",
                "door": "http",
                "prediction": drawn["prediction"][i],
                "error": None,
                "entity_keys": {"carrier": drawn["carrier"][i] if "carrier" in drawn else "A"},
                "inputs": {},
                "feature_values_used": used,
                "rows": [row | {"state": state, "age_ms": 0, "defaulted": False}],
                "requested_at": at,
                "predicted_at": at,
                **{f"latency_{part}_ms": 0.1 for part in ("features", "on_demand", "model", "total")},
                "outputs": [0.5, 0.5],
                "predicted_class": "1",
                "bias": None,
                "contributions": {},
                "frozen": [*frozen] if i < n // 2 else [],
            }
            lines.append([*target.row(record), at])
            labels.append([f"{i}", "late", drawn["label"][i], at, at])
        self.client.insert(target.table, lines, column_names=target.columns)
        truth = RECORDS["ground_truth"]
        self.client.insert(truth.table, labels, column_names=truth.columns)

    def emitted(self, since: int, n: int, carriers: list[str | None], seed: int) -> None:
        """Write rows of the group `lifetime` over a day, with carriers drawn from a list."""
        random = np.random.default_rng(seed)
        columns = ("entity", "event_timestamp", "last_event_time", "seq", "count", "seats_sum", "delay_max")
        lines = [
            [
                *("A", since + i * DAY // n, since + i * DAY // n, since // DAY * n + i),
                *(int(random.poisson(50)), int(random.poisson(900)), float(random.normal())),
                *(int(random.integers(0, 24)), carriers[random.integers(len(carriers))]),
            ]
            for i in range(n)
        ]
        table = project().group_plans[lifetime.label].table
        self.client.insert(table, lines, column_names=[*columns, "hour_last", "carrier_last"])


_STORED = ("plain__count_1h", "plain__delay_mean_1h")
