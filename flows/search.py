"""The search of a study: trials run fold by fold, the hopeless end early, and all that end are kept."""

import math
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace

from features.training import Parameter
from flows.folds import Folds, processes
from flows.study import Study, best
from flows.suggestions import Suggestions
from inference.registry import Registry, Trial, TrialState


@dataclass(frozen=True)
class Budget:
    """A search ends with `trials` trials of the study, or after `minutes`; `workers` run at once.

    Trials of former searches of the study count, minutes do not. No fold of a trial begins after them.
    """

    trials: int
    minutes: float | None = None
    workers: int = 1


@dataclass
class _Open:
    key: int
    hyperparameters: dict[str, Parameter]
    began: float
    losses: list[float] = field(default_factory=list)


def search(
    study_id: str,
    study: Study,
    folds: Folds,
    registry: Registry,
    budget: Budget,
    told: Callable[[Trial], None] = lambda _trial: None,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Run trials of a study that is recorded as `study_id`; `told` is called with each that has been kept.

    A trial is kept as it ends, so that whoever is killed loses the open ones alone, and another call goes on.
    Those that are open when time is over, by `clock` (s), are lost alike; but for the sake of a result one
    that began in time is let go to its end where none has.
    """
    suggestions, kept = Suggestions(study), registry.experiments
    deadline = math.inf if budget.minutes is None else clock() + budget.minutes * 60
    running: dict[Future[float], _Open] = {}
    with processes(folds, budget.workers) as pool:
        while True:
            ended = kept.trials(study_id)
            suggestions.learn(ended)
            while len(running) < min(budget.workers, budget.trials - len(ended)) and clock() < deadline:
                opened = _Open(*suggestions.ask(), clock())
                running[pool.loss(opened.hyperparameters, 0)] = opened
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                opened = running.pop(future)
                trial = _ended(future, opened, study, suggestions)
                if trial is None and (clock() < deadline or best(kept.trials(study_id)) is None):
                    running[pool.loss(opened.hyperparameters, len(opened.losses))] = opened
                    continue
                suggestions.close(opened.key)
                if trial is None:
                    continue
                trial = replace(trial, seconds=clock() - opened.began)
                if kept.record_trial(study_id, trial, budget.trials) is not None:
                    told(trial)


def _ended(future: "Future[float]", opened: _Open, study: Study, suggestions: Suggestions) -> Trial | None:
    """Take the loss of a fold, and give the trial where it has ended with it."""
    stated, losses = opened.hyperparameters, opened.losses
    try:
        loss = future.result()
    except BrokenProcessPool:
        raise
    except Exception as error:  # of whichever trainer: what cannot be trained is a result
        return Trial(stated, TrialState.FAILED, tuple(losses), reason=f"{type(error).__name__}: {error}")
    if not math.isfinite(loss):
        return Trial(stated, TrialState.FAILED, tuple(losses), reason=f"fold {len(losses)} has loss {loss}")
    losses.append(loss)
    if len(losses) == study.folds:
        return Trial(stated, TrialState.COMPLETE, tuple(losses), math.fsum(losses) / len(losses))
    if suggestions.hopeless(opened.key, losses):
        return Trial(stated, TrialState.PRUNED, tuple(losses))
    return None
