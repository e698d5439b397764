"""Trials by simulation: error rates with a look after every label, power beside a fixed-size test, and drift.

Each run is a whole trial, judged as the flow judges it: at the first unit that meets a rule, which is a look
after every label. The fixed-size test looks once, at its end; peeking is the same test after every label.
Estimates while labels are missing are simulated beside them, by `benchmarks.trials_estimates`.
"""

import argparse
import sys
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from benchmarks import trials_estimates
from benchmarks.asof import payments
from benchmarks.common import Result, show, too_often, write
from features import DataType, Entity, Label, Model
from features.evaluation import SPLIT, EvaluationPolicy, Guard, Sprt
from flows.sequences import best_rho, gamma_exponential_bound, normal_mixture_bound
from flows.trial import Decision, Rule, Verdict, judge
from flows.units import Unit

Array = NDArray[np.float64]
ALPHA, BETA, LENGTH, DISCORDANT = 0.05, 0.2, 2_000, 0.3
SIZES = {"quick": 100, "long": 1_000, "full": 5_000}
PUBLISHED = {"normal mixture": 27.66071, "gamma-exponential mixture": 33.02017}
"""Of confseq's test/test_uniform_boundaries.cpp: one-sided at 5 %, v_opt = 100, c = 2."""
BETTER = 0.08
"""The improvement in accuracy where there is one."""
NOTES = (
    "a false promotion is one of a challenger that is no better; its rate may be alpha, 5 %, at most",
    "a false rejection is one as worse of a challenger that is better, or as good and then better; its rate "
    "may be alpha at most, or beta, 20 %, of the sequential probability ratio test where it is always better",
    "the fixed-size test of the same trials is McNemar's, or of split traffic that of two proportions, "
    "one-sided at 5 %, at the trial's full length; peeking applies it after every label from the 50th on",
    "drift in mid-trial: worse in the first half and as good in the second, so never better on the whole; or "
    "as good in the first half and better in the second",
)


@dataclass(frozen=True)
class Work:
    """Trials of one kind: `chances` (n,) are of a win of a discordant pair, by its place."""

    name: str
    policy: EvaluationPolicy
    chances: Array


def fraud() -> Model:
    """Give a model to judge; only its name and its label are used."""
    label = Label(payments(), "id", "amount > 50", due="paid_at", lead="1h", horizon="1d")
    inputs = {"amount": DataType.DOUBLE}
    return Model("fraud", entities=[Entity("card")], features=[], label=label, inputs=inputs)


def works(model: Model) -> list[Work]:
    """Give what is simulated."""
    counted = EvaluationPolicy(model, alpha=ALPHA, min_units=50, max_units=LENGTH)
    systems = {
        "e-process": counted,
        "asymptotic": replace(counted, method="asymptotic"),
        "bernstein": replace(counted, method="bernstein"),
        "sprt": replace(counted, method="sprt", sprt=Sprt(0.5, _chance(BETTER), BETA)),
        "e-process, guarded": replace(counted, guards=(Guard("brier", 0.05),)),
        "split, 10 %": replace(counted, mode=SPLIT, share=0.1),
    }
    none, always = np.full(LENGTH, 0.5), np.full(LENGTH, _chance(BETTER))
    late = np.concatenate([none[: LENGTH // 2], always[LENGTH // 2 :]])
    worse = np.concatenate([np.full(LENGTH // 2, 1 - _chance(BETTER)), none[LENGTH // 2 :]])
    return [
        Work(f"{name}: {kind}", policy, chances)
        for name, policy in systems.items()
        for kind, chances in (
            ("no better", none),
            ("better", always),
            ("worse, then as good", worse),
            ("as good, then better", late),
        )
    ]


def _chance(improvement: float) -> float:
    return (1 + improvement / DISCORDANT) / 2


def trial(rng: np.random.Generator, work: Work) -> list[Unit]:
    """Draw the units of one trial; both models are right, or one of them is."""
    tells, won = rng.random(LENGTH) < DISCORDANT, rng.random(LENGTH) < work.chances
    label = rng.random(LENGTH) < 0.5
    old, new = ~(tells & won), ~(tells & ~won)
    scores = [np.where(right == label, 0.9, 0.1) for right in (old, new)]
    if work.policy.mode != SPLIT:
        rows = zip(*scores, label.tolist(), strict=True)
        return [Unit("r", float(a), float(b), float(y)) for a, b, y in rows]
    own = rng.random(LENGTH) < work.policy.share
    return [
        Unit("r", None if mine else float(a), float(b) if mine else None, float(y), (), bool(mine))
        for a, b, y, mine in zip(*scores, label.tolist(), own.tolist(), strict=True)
    ]


def fixed(units: list[Unit], peeking: bool) -> bool:
    """Tell whether a test of a fixed size promotes, at the trial's end or after any label."""
    label = np.array([u.label for u in units]) >= 0.5
    mine = np.array([u.champion is None for u in units])
    if mine.any():
        right = (
            np.array([u.challenger if m else u.champion for u, m in zip(units, mine, strict=True)]) >= 0.5
        ) == label
        z = _proportions(right, mine)
    else:
        old, new = (
            (np.array([getattr(u, side) for u in units]) >= 0.5) == label
            for side in ("champion", "challenger")
        )
        wins, losses = np.cumsum(new & ~old), np.cumsum(old & ~new)
        z = (wins - losses) / np.sqrt(np.maximum(wins + losses, 1))  # McNemar's
    return bool((z[49:] if peeking else z[-1:]).max() > norm.isf(ALPHA))


def _proportions(right: NDArray[np.bool_], mine: NDArray[np.bool_]) -> Array:
    """Give z of the two-sample test of proportions, after each unit."""
    new, old = np.maximum(np.cumsum(mine), 1), np.maximum(np.cumsum(~mine), 1)
    pooled = np.cumsum(right) / (np.arange(len(right)) + 1)
    spread = np.sqrt(np.maximum(pooled * (1 - pooled), 1e-9) * (1 / new + 1 / old))
    z: Array = (np.cumsum(right & mine) / new - np.cumsum(right & ~mine) / old) / spread
    return z


def figures(work: Work, verdicts: list[Verdict]) -> list[Result]:
    """Give the rates of one kind of trial, and where they decided."""
    runs = len(verdicts)
    promoted = sum(v.decision is Decision.PROMOTE for v in verdicts)
    early = sum(v.rule is Rule.WORSE for v in verdicts)
    return [
        Result(work.name, "Augury", "trials", runs, ""),
        Result(work.name, "Augury", "promoted", 100 * promoted / runs, "%"),
        Result(work.name, "Augury", "rejected as worse", 100 * early / runs, "%"),
        Result(work.name, "Augury", "units to a decision", float(np.mean([v.n_units for v in verdicts])), ""),
    ]


def bounds() -> list[Result]:
    """Give both mixtures' boundaries beside those that confseq, their authors' package, is tested by."""
    rho = best_rho(100, ALPHA)
    ours = {
        "normal mixture": float(normal_mixture_bound(100, ALPHA, rho)),
        "gamma-exponential mixture": float(gamma_exponential_bound(100, ALPHA, rho, 2.0)),
    }
    return [
        Result(f"boundary, {name}, v = 100", system, "bound", value, "")
        for name, found in ours.items()
        for system, value in (("Augury", found), ("confseq, as published", PUBLISHED[name]))
    ]


def measure(runs: int) -> list[Result]:
    """Simulate all kinds of trials."""
    results: list[Result] = []
    for place, work in enumerate(works(fraud())):
        rng, verdicts, promoted = np.random.default_rng(place), list[Verdict](), [0, 0]
        for _ in range(runs):
            units = trial(rng, work)
            verdicts.append(judge(units, work.policy))
            promoted = [n + fixed(units, peeking) for n, peeking in zip(promoted, (False, True), strict=True)]
        results += figures(work, verdicts)
        for system, n in zip(("fixed size", "fixed size, peeking"), promoted, strict=True):
            results.append(Result(work.name, system, "promoted", 100 * n / runs, "%"))
    return results + bounds()


def allowed(name: str, metric: str) -> float | None:
    """Give the rate of a decision that is allowed; None where it is no error, or nothing is stated."""
    system, _, kind = name.rpartition(": ")
    if metric == "promoted" and kind in ("no better", "worse, then as good"):
        return ALPHA
    if metric == "rejected as worse" and kind in ("better", "as good, then better"):
        if system != "sprt":
            return ALPHA
        return BETA if kind == "better" else None  # its second chance, p1, is not that of the first half
    return None


def failed(results: list[Result]) -> list[str]:
    """Name the kinds of trials that err more often than is allowed, and boundaries that differ."""
    held = {(r.workload, r.metric): r.value for r in results if r.system == "Augury"}
    wrong = []
    for (name, metric), value in held.items():
        rate = allowed(name, metric)
        if rate is None:
            continue
        runs = float(held[name, "trials"])
        if too_often(float(value) * runs / 100, runs, rate):
            wrong.append(f"{name}: {value} % {metric}")
    published = {r.workload: float(r.value) for r in results if r.system == "confseq, as published"}
    wrong += [
        f"{name}: {held[name, 'bound']}, not {value}"
        for name, value in published.items()
        if abs(float(held[name, "bound"]) - value) > 1e-4
    ]
    return wrong


def main() -> int:
    """Run the simulations, write and print the results; 1 where they are not what is promised."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trials", description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="quick")
    parser.add_argument("--estimates", action="store_true", help="simulate those alone, and write nothing")
    given = parser.parse_args()
    guessed = trials_estimates.simulate(fraud(), trials_estimates.SIZES[given.size])
    results = [] if given.estimates else measure(SIZES[given.size])
    show(guessed, trials_estimates.NOTES)
    if results:
        show(results, NOTES)
        print(f"written to {write('trials', [*results, *guessed])}")
    wrong = failed(results) + trials_estimates.unlike(guessed)
    for line in wrong:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
