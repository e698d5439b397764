"""Checks of policies' windows by hand: what `augury drift` and `augury monitor` share."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import typer
from rich.console import Console

from augury.clients import project_clock, warehouse
from augury.models import registry
from augury.options import moment, utc
from augury.settings import Settings
from features.policies import DriftPolicy, MonitoringPolicy
from features.project import Project
from flows.check import NoReferenceError, window_end
from inference.registry import ModelVersion
from warehouse.client import Client

P = TypeVar("P", DriftPolicy, MonitoringPolicy)
F = TypeVar("F")


def checked(
    console: Console,
    project: Project,
    policies: Sequence[P],
    at: str | None,
    lacks: str,
    check: Callable[[Client, Project, P, ModelVersion, int], F],
) -> Iterator[tuple[P, F]]:
    """Check each policy's window that ends `at` (ISO 8601), or its newest whole one, against its champion.

    What cannot be checked is told on the console; `lacks` names what there is none of without a champion.
    Raises `typer.BadParameter` for a window that ends beyond the log's clock.
    """
    settings = Settings()
    client, held = warehouse(settings), registry(settings)
    try:
        for policy in policies:
            champion = held.champion(policy.model.name)
            if champion is None:
                console.print(f"{policy.name}: {policy.model.name} has no champion, so no {lacks}")
                continue
            clock = project_clock(client, project)
            end = window_end(policy, clock) if at is None else moment(at)
            if end > clock:
                raise typer.BadParameter(
                    f"a window ends where the log's clock stands in the warehouse, {utc(clock)}, or before; "
                    f"what one to {utc(end)} holds is not known yet, so nothing was checked"
                )
            try:
                found = check(client, project, policy, champion, end)
            except NoReferenceError as reason:
                console.print(f"{policy.name}: {reason}")
            else:
                yield policy, found
    finally:
        held.close()
        client.close()
