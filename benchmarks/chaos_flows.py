"""The service that runs flows, which ends itself by SIGKILL at a stated place.

The file `point` of a folder names the next places to die at, one a line: a step of a flow, and whether
`before` or `after` what the step does. What steps have done is written to `done`.
"""

import functools
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prefect import Flow, Task

from augury.commands.service import service
from benchmarks.chaos_project import DRIFT, FALL_BACK, HARM
from flows import canary, drift, evaluate, fall_back, monitor, retrain, tuning, validate
from flows.alerting import clear
from flows.steps import stop_if_cancelled

POINT, DONE = "point", "done"


TRIAL = "a trial of the search"
Step = Task[..., Any] | Flow[..., Any]
_MODULES = {
    DRIFT: {drift: "", retrain: "", validate: "", tuning: "", evaluate: "the trial"},
    HARM: {monitor: "performance", canary: "the canary"},
    FALL_BACK: {fall_back: ""},
}
"""The modules of flows that a kind of chain adds to those before, and what their steps are about."""


def steps() -> dict[str, Step]:
    """Give the flows of all chains and their steps, by names of which no two are the same."""
    return {name: step for kind in _MODULES for name, step in steps_of(kind).items()}


def steps_of(kind: str) -> dict[str, Step]:
    """Give the flows and steps that a kind of chain adds to those of the kinds before."""
    found: dict[str, dict[str, Step]] = {each: {} for each in _MODULES}
    known: dict[str, Step] = {}
    for each, modules in _MODULES.items():
        for module, of in modules.items():
            for step in vars(module).values():
                if isinstance(step, Task | Flow) and step not in [*known.values(), clear]:
                    name = step.name if step.name not in known else f"{step.name} at {of}"
                    known[name] = found[each][name] = step
    return found[kind]


def watched(name: str, act: Callable[..., Any], folder: Path) -> Callable[..., Any]:
    """Let a step die where it is told to."""

    @functools.wraps(act)
    def step(*given: object, **named: object) -> object:
        _reach(folder, f"{name} before")
        found = act(*given, **named)
        with (folder / DONE).open("a") as done:
            done.write(f"{name}\n")
        _reach(folder, f"{name} after")
        return found

    return step


def _reach(folder: Path, place: str) -> None:
    point = folder / POINT
    left = point.read_text().splitlines() if point.exists() else []
    if left[:1] == [place]:
        point.write_text("\n".join(left[1:]))
        os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Run the service for the project and the folder that the command line names."""
    project, folder = sys.argv[1:]
    for name, each in steps().items():
        each.fn = watched(name, each.fn, Path(folder))
    vars(tuning)["stop_if_cancelled"] = watched(TRIAL, stop_if_cancelled, Path(folder))  # after each trial
    service("flows", project)


if __name__ == "__main__":
    main()
