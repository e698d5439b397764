"""The project of the chaos runs: a model for each place where the chain may be killed, all on one source."""

import numpy as np

from benchmarks.common import ROOT
from features import (
    CanaryPolicy,
    DataType,
    DriftPolicy,
    Entity,
    EvaluationPolicy,
    GatePolicy,
    Label,
    Model,
    MonitoringPolicy,
    Source,
)
from features.policies import Policy
from features.search import Integer, Search

DRIFT, HARM, FALL_BACK = "drift", "harm", "fall back"
"""What a chain begins with: a window that has drifted; harm that retrains, and ends with a canary; harm that
brings the champion before back."""
FIRST = {DRIFT: 0, HARM: 110, FALL_BACK: 140}
"""The first model of each kind of chain."""
MODELS = 160
SHARES = (0.3, 0.6)
"""Of a canary."""
TRIALS = 3
"""Of the search before a retraining."""
DAY = 86_400_000
FIRST_DAY = 15_000
"""The day since the epoch before which all history lies, so long ago that no chain ends in the future."""

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


def event(number: int) -> str:
    """Give what the chain of a model begins with."""
    return max((kind for kind in FIRST if FIRST[kind] <= number), key=lambda kind: FIRST[kind])


def policies(of: Model, kind: str) -> tuple[Policy, ...]:
    """Give what follows from a model's drift or harm, and what its versions must be like."""
    judged = EvaluationPolicy(of, min_units=20, max_units=2_000)
    gates = GatePolicy(of, max_latency_ms=60_000.0)  # whatever else the machine does
    if kind == DRIFT:
        return judged, gates, DriftPolicy(None, of, min_rows=50, retrain=True)
    on_harm = "retrain" if kind == HARM else "fall_back"
    watched = MonitoringPolicy(of, window="1d", min_units=30, on_harm=on_harm)
    if kind == FALL_BACK:
        return judged, gates, watched
    rollout = CanaryPolicy(of, steps=SHARES, hold="30m", min_requests=5, max_latency_ratio=1_000.0)
    return judged, gates, watched, rollout


models = [model(number) for number in range(MODELS)]
for which, each in enumerate(models):
    stated = enumerate(policies(each, event(which)))
    globals().update({f"policy_{policy_of}_{each.name}": p for policy_of, p in stated})


def inputs(random: np.random.Generator, shift: float = 0.0) -> dict[str, float]:
    """Draw what is known of a trip."""
    crowd, wind = random.normal(shift, size=2)
    return {"crowd": float(crowd), "wind": float(wind)}


def late(known: dict[str, float], random: np.random.Generator) -> bool:
    """Draw whether a trip of these inputs is late: mostly by their sum."""
    return bool(known["crowd"] + known["wind"] + random.normal(0, 0.5) > 0)
