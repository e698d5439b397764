"""What is tried next, and what is not worth going on with: Optuna's sampler and pruner over known trials."""

from collections.abc import Sequence
from itertools import accumulate

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, create_trial

from features.search import Choice, Dimension, Integer
from features.training import Parameter
from flows.study import Study
from inference.registry import Trial, TrialState

UNPRUNED = 5
"""As many trials end before the first is pruned."""
_STATES = {
    TrialState.COMPLETE: optuna.trial.TrialState.COMPLETE,
    TrialState.PRUNED: optuna.trial.TrialState.PRUNED,
    TrialState.FAILED: optuna.trial.TrialState.FAIL,
}


class Suggestions:
    """Suggests trials of a study by tree-structured Parzen estimators; the first is what holds at present.

    J. Bergstra et al., Algorithms for hyper-parameter optimization (2011). A suggestion depends on the
    study, the trials that have ended and those that are open alone. So a study that was stopped goes on as
    if it had not been, where one trial runs at a time. Optuna keeps nothing: its study is in memory.
    """

    def __init__(self, study: Study) -> None:
        self._study = study
        self._distributions = {name: _distribution(d) for name, d in study.space.items()}
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._optuna = optuna.create_study(pruner=optuna.pruners.MedianPruner(n_startup_trials=UNPRUNED))
        self._ended = 0
        self._open: dict[int, optuna.Trial] = {}

    def learn(self, trials: Sequence[Trial]) -> None:
        """Take what has ended, all trials of the study by number, in place of what was known before."""
        for trial in trials[self._ended :]:
            self._optuna.add_trial(self._frozen(trial))
        self._ended = len(trials)

    def ask(self) -> tuple[int, dict[str, Parameter]]:
        """Open a trial: give a key for `close` and `hopeless`, and its hyperparameters."""
        number = self._ended + len(self._open)
        seed = self._study.recipe.seed + number
        self._optuna.sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        trial = self._optuna.ask(self._distributions if number else None)
        self._open[trial.number] = trial
        return trial.number, dict(trial.params) if number else self._study.first

    def hopeless(self, key: int, losses: Sequence[float]) -> bool:
        """Tell whether the mean loss was at no fold so far below the median of complete trials at this."""
        self._open[key].report(_means(losses)[-1], len(losses) - 1)
        return self._open[key].should_prune()

    def close(self, key: int) -> None:
        """Forget an open trial; it has ended, and is learned from as all others are."""
        self._optuna.tell(self._open.pop(key), state=optuna.trial.TrialState.FAIL)

    def _frozen(self, trial: Trial) -> FrozenTrial:
        known = {n: v for n, v in trial.hyperparameters.items() if n in self._distributions}
        return create_trial(
            state=_STATES[trial.state],
            value=trial.value,
            params=known,
            distributions={name: self._distributions[name] for name in known},
            intermediate_values=dict(enumerate(_means(trial.losses))),
        )


def _means(losses: Sequence[float]) -> list[float]:
    return [total / (n + 1) for n, total in enumerate(accumulate(losses))]


def _distribution(dimension: Dimension) -> BaseDistribution:
    if isinstance(dimension, Choice):
        return CategoricalDistribution(dimension.values)
    if isinstance(dimension, Integer):
        return IntDistribution(dimension.low, dimension.high, log=dimension.log)
    return FloatDistribution(dimension.low, dimension.high, log=dimension.log)
