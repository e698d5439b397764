"""The search that chose an experiment's hyperparameters: its trials, and how the best value came down."""

from collections.abc import Sequence
from dataclasses import dataclass

from augury.page import Markup, element, figure, table
from augury.reports import svg
from augury.reports.scales import Scale, short, spanning, ticks
from flows.study import Study, best
from inference.registry import Experiment, ExperimentKind, Registry, Trial

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _FOOT = 860, 160, 56, 8, 20


@dataclass(frozen=True)
class Search:
    """A study, what it makes small, its trials in the order in which they ended, and which was chosen.

    `chosen` is None where no trial has a value.
    """

    study: str
    metric: str
    trials: Sequence[Trial]
    chosen: int | None


def read_search(held: Registry, experiment: Experiment) -> Search | None:
    """Read the study that chose an experiment's hyperparameters, or that the experiment is; None without one.

    It is the model's newest study before the experiment whose best trial has these very hyperparameters.
    """
    if experiment.kind is ExperimentKind.TUNING:
        studies = [experiment]
    elif experiment.model_name is None:
        return None
    else:
        studies = held.experiments.all(model_name=experiment.model_name, kind=ExperimentKind.TUNING)
    for begun in reversed(studies):
        study, trials = Study.from_dict(begun.recipe), held.experiments.trials(begun.experiment_id)
        found = best(trials)
        if begun is experiment or (
            found is not None
            and begun.trained_at <= experiment.trained_at
            and study.parameters(found[1].hyperparameters) == experiment.hyperparameters
        ):
            return Search(begun.experiment_id, study.metric, trials, None if found is None else found[0])
    return None


def search_parts(search: Search | None) -> list[Markup]:
    """Draw a search: a picture of the best value over the trials, and a table of them that sorts."""
    parts = [element("h2", "Search")]
    if search is None:
        return [*parts, element("p", "No search chose these hyperparameters.")]
    if search.chosen is None:
        said = f"None of the {len(search.trials)} trials of {search.study} has a value."
    else:
        said = f"Trial {search.chosen} of {len(search.trials)} of {search.study} has the smallest "
        said += f"{search.metric}."
        caption = f"{search.metric} of each trial that has one, and the best of those before and with it."
        parts += [figure(search_picture(search), caption)]
    names = list(dict.fromkeys(name for trial in search.trials for name in trial.hyperparameters))
    rows = [
        [
            f"{number}",
            trial.state.value,
            "" if trial.value is None else f"{trial.value:.6g}",
            *(_spelled(trial.hyperparameters.get(name)) for name in names),
            "" if trial.seconds is None else f"{trial.seconds:.3g}",
            trial.reason,
        ]
        for number, trial in enumerate(search.trials)
    ]
    headings = ["trial", "state", search.metric, *names, "seconds", "why"]
    return [*parts, element("p", said), table(headings, rows)]


def search_picture(search: Search) -> Markup:
    """Draw the value of each trial that has one, and the best so far."""
    valued = [(n, trial.value) for n, trial in enumerate(search.trials) if trial.value is not None]
    y = spanning([value for _, value in valued], _HEIGHT - 4, 12)
    x = Scale(0, max(len(search.trials) - 1, 1), _LEFT + 6, _WIDTH - _RIGHT - 6)
    parts: list[Markup] = []
    for value in ticks(y):
        parts += [svg.rule(_LEFT, y(value), _WIDTH - _RIGHT, y(value))]
        parts += [svg.text(_LEFT - 6, y(value) + 4, short(value), "end")]
    for n in sorted({0, len(search.trials) - 1}):
        parts += [svg.text(x(n), _HEIGHT + 14, str(n), "end" if n else "start")]
    dots = "".join(f"M{x(n):.1f} {y(value):.1f}h0" for n, value in valued)
    parts += [svg.path(dots, stroke="quiet", stroke_width=5, stroke_linecap="round")]
    steps = f"M{x(valued[0][0]):.1f} {y(valued[0][1]):.1f}"
    least = valued[0][1]
    for n, value in [*valued[1:], (len(search.trials) - 1, least)]:
        least = min(least, value)
        steps += f"H{x(n):.1f}V{y(least):.1f}"
    parts += [svg.path(steps, stroke="mark", stroke_width=2)]
    return svg.picture(_WIDTH, _HEIGHT + _FOOT, f"best {search.metric} over the trials", *parts)


def _spelled(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)
