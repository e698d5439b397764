"""Trials of a study as a table."""

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from augury.tables import table
from flows.study import best
from inference.registry import Trial


def trials_table(trials: Sequence[Trial], metric: str, most: int) -> Table:
    """Show at most `most` trials, the best first, then those without a value as they ended."""
    found = best(trials)
    names = list(dict.fromkeys(name for trial in trials for name in trial.hyperparameters))
    shown = table("trial", "state", metric, "folds", *map(escape, names), "why")
    valued = sorted(
        (n for n, t in enumerate(trials) if t.value is not None), key=lambda n: trials[n].value or 0.0
    )
    for number in [*valued, *(n for n, t in enumerate(trials) if t.value is None)][:most]:
        trial = trials[number]
        is_best = found is not None and found[0] == number
        stated = (trial.hyperparameters.get(name) for name in names)
        shown.add_row(
            str(number),
            trial.state.value,
            "" if trial.value is None else f"{trial.value:.6f}",
            ", ".join(f"{loss:.4f}" for loss in trial.losses),
            *("" if v is None else f"{v:.6g}" if isinstance(v, float) else escape(str(v)) for v in stated),
            escape(trial.reason),
            style="bold" if is_best else None,
        )
    if len(trials) > most:
        shown.caption = f"the first {most} of {len(trials)}"
    return shown
