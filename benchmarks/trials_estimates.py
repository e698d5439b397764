"""Estimates while labels are missing, by simulation: what their intervals hold, and false alarms by them.

In each run a holdout has labels, and a window of other requests none. Predictions mean in both the same, and
are off; the requests of the window are harder. By how much its metric is worse on average is what the policy
tolerates, so that each alarm is false, and none is likelier.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.special import expit

from benchmarks.common import Result, too_often, warehouse
from features import Model
from features.policies import METRICS, MonitoringPolicy
from flows.estimation import Estimate, estimate, estimate_numbers
from flows.metrics import metric
from flows.performance import estimated, rules
from warehouse.client import Client
from warehouse.outcomes import Units
from warehouse.performance import Measure, measure

Array = NDArray[np.float64]
Drawn = tuple[Array, Array]
SIZES = {"quick": 100, "long": 1_000, "full": 1_000}
HOLDOUT, ASKED = 2_000, 500
RATES = (0.5, 3.0)
"""False alarms a month that are allowed: the usual half, and so many that a simulation has some."""
HELD, STATED = "held by the interval", 95.0
MEANS = 2_000
"""Of so many holdouts and windows the means are taken that the threshold lies between."""
MEMORY_MB = 4_096
NOTES = (
    f"holdouts have {HOLDOUT:,} units and windows {ASKED}; what a window's labels give of the metric is held "
    "where it lies in the interval of its estimate, which does not read them",
    "a window is worse than the holdout by the threshold, on average; what is stated of false alarms is a "
    "third of what the policy allows, for windows of a day",
    "where nothing is tolerated these alarms are right; half a false one a month is allowed there",
)


@dataclass(frozen=True)
class World:
    """Units of one kind: `draw` gives labels and predictions of so many, harder or not, `guess` estimates."""

    name: str
    metric: str
    draw: Callable[[np.random.Generator, int, bool], Drawn]
    guess: Callable[[Array, Array, Array], Estimate | None]


def worlds() -> list[World]:
    """Give what is simulated."""
    of_scores = [World(f"estimate: {name}", name, scores, partial(estimate, name)) for name in METRICS]
    return [*of_scores, World("estimate: rmse of numbers", "rmse", numbers, estimate_numbers)]


def scores(random: np.random.Generator, n: int, harder: bool) -> Drawn:
    """Draw labels, and scores that are too low; the harder the closer the chances are to each other."""
    chances = random.beta(8, 16, n) if harder else random.beta(2, 5, n)
    return (random.random(n) < chances).astype(np.float64), chances**1.5


def numbers(random: np.random.Generator, n: int, harder: bool) -> Drawn:
    """Draw labels, and predictions that are too large by a half; the larger they are, the more they err."""
    predictions = random.normal(0.5 if harder else 0.0, 1, n)
    return predictions - 0.5 + random.normal(0, 1, n) * (0.5 + 3 * expit(2 * predictions)), predictions


def edge(world: World) -> float:
    """Give by how much a window is worse than a holdout, on average."""
    random, of = np.random.default_rng(0), metric(world.metric, MonitoringPolicy.k)
    before, now = (
        np.mean([of(*world.draw(random, n, harder)) for _ in range(MEANS)])
        for n, harder in ((HOLDOUT, False), (ASKED, True))
    )
    return float(METRICS[world.metric] * (before - now))


def holdouts(client: Client, name: str, tried: list[Drawn]) -> list[Measure]:
    """Give the metric of each holdout with its error, as a check has it."""
    client.command(
        "CREATE OR REPLACE TABLE tried (run UInt32, label Float64, prediction Float64) ENGINE Memory"
    )
    runs = np.repeat(np.arange(len(tried), dtype=np.uint32), [len(labels) for labels, _ in tried])
    labels, predictions = (np.concatenate(column) for column in zip(*tried, strict=True))
    client.insert_arrow("tried", pa.table({"run": runs, "label": labels, "prediction": predictions}))
    units = Units(
        "SELECT '' AS request_id, prediction, label, [('run', toString(run))] AS segments FROM tried"
    )
    found = {int(m.segment): m for m in measure(client, name, units, MonitoringPolicy.k)}
    return [found[run] for run in range(len(tried))]


def judged(client: Client, model: Model, world: World, runs: int, seed: int) -> list[Result]:
    """Simulate so many windows of one kind, each with a holdout of its own."""
    random = np.random.default_rng(seed)
    tried = [world.draw(random, HOLDOUT, False) for _ in range(runs)]
    at_edge = MonitoringPolicy(model, metric=world.metric, threshold=edge(world))
    policies = [replace(at_edge, false_alarms_per_month=rate) for rate in RATES]
    strict = replace(at_edge, threshold=0.0)
    of, held, seen, alarms = metric(world.metric, at_edge.k), 0, 0, [0 for _ in policies]
    for (labels, predictions), before in zip(tried, holdouts(client, world.metric, tried), strict=True):
        truth, asked = world.draw(random, ASKED, True)
        found = world.guess(labels, predictions, asked)
        assert found is not None
        held += found.low <= of(truth, asked) <= found.high
        seen += estimated(strict, found, before).breached
        alarms = [n + estimated(p, found, before).breached for n, p in zip(alarms, policies, strict=True)]
    results = [
        Result(world.name, "Augury", "windows", runs, ""),
        Result(world.name, "Augury", HELD, 100 * held / runs, "%"),
        Result(world.name, "stated", HELD, STATED, "%"),
        Result(world.name, "Augury", "alarms where nothing is tolerated", 100 * seen / runs, "%"),
    ]
    for rate, policy, n in zip(RATES, policies, alarms, strict=True):
        name = f"false alarms, {rate:g} a month"
        results.append(Result(world.name, "Augury", name, 100 * n / runs, "%"))
        results.append(Result(world.name, "stated", name, 100 * policy.level / rules(policy), "%"))
    return results


def simulate(model: Model, runs: int) -> list[Result]:
    """Simulate windows of all kinds."""
    with warehouse(memory_mb=MEMORY_MB) as running:
        return [
            result
            for seed, world in enumerate(worlds(), 1)
            for result in judged(running.client, model, world, runs, seed)
        ]


def unlike(results: list[Result]) -> list[str]:
    """Name the intervals that hold less than is stated, and the alarms that are more frequent."""
    ours = {(r.workload, r.metric): float(r.value) for r in results if r.system == "Augury"}
    wrong = []
    for stated in (r for r in results if r.system == "stated"):
        found, runs = ours[stated.workload, stated.metric], ours[stated.workload, "windows"]
        rates = (found, float(stated.value))
        # both are rates of an error, in percent
        rate, chance = (100 - r for r in rates) if stated.metric == HELD else rates
        if too_often(rate * runs / 100, runs, chance / 100):
            wrong.append(f"{stated.workload}: {stated.metric} {found} %, where {stated.value:g} % is stated")
    return wrong
