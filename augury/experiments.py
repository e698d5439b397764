"""Experiments as events: what the registry has of one goes to the log, and from there to the warehouse."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from augury.clients import send
from augury.settings import Settings
from inference.registry import Registry

EXPERIMENTS, GATES, TRIALS = "experiments", "experiments.gates", "experiments.trials"
"""The topics."""


@dataclass(frozen=True)
class Experiments:
    """Tells the log of experiments."""

    settings: Settings
    registry: Registry

    def __call__(self, experiment_id: str) -> None:
        """Send an experiment, its gates and its trials; return once the log holds them.

        What was sent before is sent again, and takes its place in the warehouse.
        """
        send(self.settings, records(self.registry, experiment_id))


def records(registry: Registry, experiment_id: str) -> dict[str, list[dict[str, Any]]]:
    """Give an experiment's records by topic; where a gate ended it before its training, gates' alone."""
    experiment = registry.experiments.find(experiment_id)
    gates = registry.gates.results(experiment_id)
    trials = registry.experiments.trials(experiment_id)
    of = {"experiment_id": experiment_id}
    return {
        EXPERIMENTS: [] if experiment is None else [_spelled(asdict(experiment))],
        GATES: [of | {"position": n} | asdict(gate) for n, gate in enumerate(gates)],
        TRIALS: [of | {"trial": n} | _spelled(asdict(trial)) for n, trial in enumerate(trials)],
    }


def _spelled(found: dict[str, Any]) -> dict[str, Any]:
    """Write what depends on the trainer as JSON, which no schema knows."""
    for name in {"hyperparameters", "recipe"} & found.keys():
        found[name] = json.dumps(found[name])
    return found | ({"model_name": found["model_name"] or ""} if "model_name" in found else {})
