"""The demo's figures: all measured in the run that prints them."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table

ROLLED_BACK = "rolled back"
ENDED = ("promoted", ROLLED_BACK)
"""How a canary ends."""


@dataclass
class Summary:
    """What a run of the demo measured; None where it did not come so far."""

    events_published: int | None = None
    events_in_warehouse: int | None = None
    feature_rows_stream: int | None = None
    feature_rows_backfill: int | None = None
    parity_rows_compared: int | None = None
    parity_mismatches: int | None = None
    requests_http: int | None = None
    requests_kafka: int | None = None
    predictions_logged: int | None = None
    served_vectors_audited: int | None = None
    served_vector_mismatches: int | None = None
    rows_used: int | None = None
    rows_used_newest: int | None = None
    rows_used_ahead: int | None = None
    visible_lag_p50_s: float | None = None
    visible_lag_p99_s: float | None = None
    labels_expected: int | None = None
    labels_joined: int | None = None
    holdout_auc: float | None = None
    prior_auc: float | None = None
    live_auc: float | None = None
    drift_psi: float | None = None
    champion_version_before: int | None = None
    champion_version_after: int | None = None
    challenger_version: int | None = None
    evaluation_decision: str | None = None
    evaluation_reason: str | None = None
    canary: str | None = None
    retraining_runs: int | None = None
    experiments_recorded: int | None = None
    experiments_in_warehouse: int | None = None
    shadow_predictions: int | None = None
    http_p50_ms: float | None = None
    http_p99_ms: float | None = None
    event_to_redis_p50_ms: float | None = None
    event_to_redis_p99_ms: float | None = None
    stream_events_per_s: float | None = None
    backfill_rows_per_s: float | None = None
    dead_letters: int | None = None
    duration_s: float | None = None

    def complaints(self) -> list[str]:
        """Say what is not as it must be; empty for a good run."""
        rules: list[tuple[bool, str]] = [
            (bool(self.parity_rows_compared), "parity compared no rows"),
            (self.parity_mismatches == 0, f"parity_mismatches is {self.parity_mismatches}, and must be 0"),
            (bool(self.served_vectors_audited), "no served vector was audited"),
            (
                self.served_vector_mismatches == 0,
                f"served_vector_mismatches is {self.served_vector_mismatches}, and must be 0",
            ),
            (
                self.rows_used_ahead == 0,
                f"{self.rows_used_ahead} rows used were of a later moment than asked",
            ),
            (
                self.predictions_logged == (self.requests_http or 0) + (self.requests_kafka or 0),
                f"{self.predictions_logged} predictions are logged for "
                f"{(self.requests_http or 0) + (self.requests_kafka or 0)} requests",
            ),
            (
                self.events_in_warehouse is not None and self.events_in_warehouse == self.events_published,
                f"{self.events_in_warehouse} of {self.events_published} events are in the warehouse",
            ),
            (
                self.labels_joined is not None and self.labels_joined == self.labels_expected,
                f"{self.labels_joined} labels are joined, and {self.labels_expected} came in time",
            ),
            (
                (self.holdout_auc or 0) > (self.prior_auc or 1),
                f"the model's AUC {self.holdout_auc} does not beat the prior's {self.prior_auc}",
            ),
            (
                self.experiments_in_warehouse == self.experiments_recorded,
                f"{self.experiments_in_warehouse} of {self.experiments_recorded} experiments are in the "
                "warehouse",
            ),
            (self.retraining_runs == 1, f"one alert set off {self.retraining_runs} retrainings"),
            (
                self.evaluation_decision in ("promote", "reject"),
                f"the trial ended with {self.evaluation_decision!r}",
            ),
            (
                self.canary is None or self.canary.endswith(ENDED),
                f"the canary of version {self.challenger_version} has not ended: {self.canary}",
            ),
            (
                self.evaluation_decision != "promote"
                or self.champion_version_after == self.challenger_version
                or (self.canary or "").endswith(ROLLED_BACK),
                f"version {self.challenger_version} has won its trial, and version "
                f"{self.champion_version_after} is champion",
            ),
        ]
        return [text for holds, text in rules if not holds]

    def write(self, path: Path) -> None:
        """Write the figures as JSON."""
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    def table(self) -> Table:
        """Lay the figures out for a terminal."""
        table = Table("figure", "value", title="What was measured")
        for name, value in asdict(self).items():
            table.add_row(name, spell(value))
        return table


def spell(value: object) -> str:
    """Write a figure for a reader."""
    if isinstance(value, float):
        return f"{value:,.3f}" if abs(value) < 100 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
