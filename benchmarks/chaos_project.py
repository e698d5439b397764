"""The project of the chaos runs: a model for each place where the chain may be killed, all on one source."""

import numpy as np

from benchmarks.common import ROOT
from features import DataType, DriftPolicy, Entity, EvaluationPolicy, GatePolicy, Label, Model, Source
from features.policies import Policy
from features.search import Integer, Search

MODELS = 100
TRIALS = 3
"""Of the search before a retraining."""
DAY = 86_400_000
FIRST_DAY = 19_000
"""The day since the epoch before which all history lies."""

line = Entity("line")
trips = Source("trips", ROOT / "trip.avsc", "done", "trip", "line", partitions=1)


def model(number: int) -> Model:
    """Give a model by its number; whether a trip is late follows from its inputs."""
    return Model(
        f"punctual_{number}",
        [line],
        [],
        Label(trips, "trip", "late", due="due", lead="2h", horizon="1d"),
        inputs={"crowd": DataType.DOUBLE, "wind": DataType.DOUBLE},
        on_demand={"fullness": "crowd + 0.0", "gust": "wind + 0.0"},
        parameters={"num_iterations": 30, "num_leaves": 7},
        search=Search({"num_leaves": Integer(4, 8)}, trials=TRIALS, folds=2, every="1d"),
    )


def policies(of: Model) -> tuple[Policy, ...]:
    """Give what follows from a model's drift, and what its versions must be like."""
    return (
        EvaluationPolicy(of, min_units=20, max_units=2_000),
        DriftPolicy(None, of, min_rows=50, retrain=True),
        GatePolicy(of, max_latency_ms=60_000.0),  # whatever else the machine does
    )


models = [model(number) for number in range(MODELS)]
for each in models:
    globals().update({f"policy_{policy_of}_{each.name}": p for policy_of, p in enumerate(policies(each))})


def inputs(random: np.random.Generator, shift: float = 0.0) -> dict[str, float]:
    """Draw what is known of a trip."""
    crowd, wind = random.normal(shift, size=2)
    return {"crowd": float(crowd), "wind": float(wind)}


def late(known: dict[str, float], random: np.random.Generator) -> bool:
    """Draw whether a trip of these inputs is late: mostly by their sum."""
    return bool(known["crowd"] + known["wind"] + random.normal(0, 0.5) > 0)
