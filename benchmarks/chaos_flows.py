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
from flows import drift, evaluate, retrain, tuning, validate
from flows.alerting import clear
from flows.steps import stop_if_cancelled

POINT, DONE = "point", "done"


TRIAL = "a trial of the search"
Step = Task[..., Any] | Flow[..., Any]


def steps() -> dict[str, Step]:
    """Give the flows of the chain and their steps, by names of which no two are the same."""
    found: dict[str, Step] = {}
    for module in (drift, retrain, validate, tuning, evaluate):
        for each in vars(module).values():
            if isinstance(each, Task | Flow) and each not in [*found.values(), clear]:
                name = each.name if each.name not in found else f"{each.name} at the trial"
                found[name] = each
    return found


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
