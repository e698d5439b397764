"""What serving should reach, beside what it reached."""

from collections.abc import Mapping, Sequence

from benchmarks.common import Result
from benchmarks.serving_kafka import SYSTEM as KAFKA
from benchmarks.serving_systems import ASGI, AUGURY, FEAST, MANY

FEATURES_MS, END_TO_END_MS = 5.0, 15.0
OVER_FEAST = {1: 6.0, 10: 12.0, 100: 25.0}
OVER_BARE, PREDICTIONS, FOR_MODELS = 1.5, 10_000.0, 1.2
_MIDDLE, _LARGE = "50 features in 5 groups", "250 features in 25 groups"
_REQUESTS, _CPU = "requests", "CPU of 1,000 requests"

Figures = Mapping[tuple[str, str, str], float]


def goals(results: Sequence[Result]) -> list[Result]:
    """Give a goal, what was found and whether it was met, for each goal that the results have figures for."""
    held: Figures = {
        (r.workload, r.system, r.metric): float(r.value) for r in results if not isinstance(r.value, str)
    }
    found: list[Result] = []
    for work in dict.fromkeys(r.workload for r in results):
        batch, _, shape = work.partition(" of ")
        _at_most(found, held, (work, AUGURY, "features p99 at half"), FEATURES_MS)
        _at_most(found, held, (work, AUGURY, "p99 at half"), END_TO_END_MS)
        if int(batch) in OVER_FEAST and shape.endswith(_MIDDLE):
            _ratio(found, held, (work, AUGURY, _REQUESTS), (work, FEAST), OVER_FEAST[int(batch)], least=True)
            _ratio(found, held, (work, FEAST, _CPU), (work, AUGURY), OVER_FEAST[int(batch)], least=True)
        _ratio(found, held, (work, AUGURY, "p50 alone"), (work, ASGI), OVER_BARE)
        _ratio(found, held, (work, MANY, _CPU), (work, AUGURY), FOR_MODELS)
        narrow = work.replace(_LARGE, _MIDDLE)
        if narrow != work:
            _ratio(found, held, (work, AUGURY, _CPU), (narrow, AUGURY), 5.0)
        if (work, KAFKA, _REQUESTS) in held:
            _note(found, work, f"{KAFKA}: predictions, 1/s", held[work, KAFKA, _REQUESTS], PREDICTIONS, True)
    return found


def _at_most(found: list[Result], held: Figures, of: tuple[str, str, str], goal: float) -> None:
    if of in held:
        work, system, metric = of
        _note(found, work, f"{system}: {metric}, ms", held[of], goal)


def _ratio(
    found: list[Result],
    held: Figures,
    of: tuple[str, str, str],
    over: tuple[str, str],
    goal: float,
    least: bool = False,
) -> None:
    work, system, metric = of
    other = (*over, metric)
    if of in held and other in held:
        against = over[1] if over[0] == work else f"that of {over[0].partition('entities, ')[2]}"
        _note(found, work, f"{system}: {metric}, over {against}", held[of] / held[other], goal, least)


def _note(found: list[Result], work: str, name: str, value: float, goal: float, least: bool = False) -> None:
    met = value >= goal if least else value <= goal
    found += [
        Result(work, name, "found", value, ""),
        Result(work, name, "goal", f"{'at least' if least else 'at most'} {goal:g}", ""),
        Result(work, name, "met", "yes" if met else "no", ""),
    ]
