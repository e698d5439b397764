"""The records that Augury itself writes and reads, by name and by topic."""

import json
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent / "avsc"

TOPICS: dict[str, str] = {
    "prediction.requests": "prediction_request",
    "prediction.results": "prediction_result",
    "prediction.shadow": "prediction_result",
    "prediction.batches": "prediction_batch",
    "prediction.progress": "prediction_progress",
    "ground_truth": "ground_truth",
    "registry.events": "registry_event",
    "experiments": "experiment",
    "experiments.gates": "experiment_gate",
    "experiments.trials": "experiment_trial",
    "alerts": "alert",
    "alerts.states": "alert_state",
    "dead_letters": "dead_letter",
    "features.clocks": "feature_clock",
    "features.freshness": "feature_freshness",
}
"""The schema's name of each record topic."""


def load(name: str) -> dict[str, Any]:
    """Give the Avro schema of the record `name`, as its `.avsc` file has it.

    Raises `FileNotFoundError` for a name that no file has.
    """
    return dict(json.loads((_FOLDER / f"{name}.avsc").read_text(encoding="utf-8")))
