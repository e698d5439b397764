"""`augury plan`: what applying a project would change."""

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from augury.preview import Preview, preview
from augury.settings import Settings
from features.contracts import Change, ChangeKind
from features.effects import Effect, same_rows
from features.project import load_project

app = typer.Typer()
_SIGNS = {
    ChangeKind.CREATE: "[green]+ create   [/]",
    ChangeKind.UNCHANGED: "[dim]  unchanged[/]",
    ChangeKind.REFUSED: "[red]! refused  [/]",
    ChangeKind.ABSENT: "[yellow]- absent   [/]",
}
_BREAKING = {Effect.DEFAULTS, Effect.COMPUTATION, Effect.TYPE, Effect.REMOVAL}
_ADVICE = {
    ChangeKind.CREATE: "it is built beside {0}, which goes on",
    ChangeKind.ABSENT: "its job and its rows go on until the job is cancelled",
}


@app.command()
def plan(
    project: Annotated[str, typer.Argument(help="The project's module, such as examples.flights.")],
) -> None:
    """Show what `augury apply` would change, its cost and whom it touches; exit status 1 where refused."""
    console = Console(soft_wrap=True)
    found = preview(load_project(project), Settings())
    for change in found.changes:
        _show(console, found, change)
    refused = [change for change in found.changes if change.kind is ChangeKind.REFUSED]
    if any(change.effect is not Effect.DESCRIPTION for change in refused):
        console.print("a changed contract is a new version: raise the version of the refused groups")
    if any(change.effect is Effect.DESCRIPTION for change in refused):
        console.print(
            "where the description alone has changed, no value does: take it back, or raise the version, "
            "which builds the same values anew"
        )
    if refused:
        raise typer.Exit(1)


def _show(console: Console, found: Preview, change: Change) -> None:
    effect = "" if change.effect is None else f": {change.effect}, against {change.against}"
    console.print(f"{_SIGNS[change.kind]} {change.label}{effect}")
    for difference in change.differences:
        console.print(f"    {difference.effect:<11} {escape(difference.subject)}: {escape(difference.text)}")
    if change.difference:
        console.print(change.difference, markup=False, highlight=False)
    if change.kind is ChangeKind.CREATE:
        events = found.events[change.label]
        same = (
            f"; its rows are those of {change.against}"
            if change.against and same_rows(change.differences)
            else ""
        )
        console.print(
            f"    costs       {events:,} events to backfill, and state built anew from the whole log{same}"
        )
    if change.against is None:
        return
    touched = {d.subject for d in change.differences if d.effect in _BREAKING and not d.shared}
    everything = any(d.shared for d in change.differences) or change.kind is ChangeKind.ABSENT
    for use in found.readers(change):
        features = [name for name in use.features if everything or name in touched]
        reads = f"reads {', '.join(features)}" if features else "reads nothing that changes"
        console.print(f"    used by     {use.reader}: {reads}")
    if change.kind in _ADVICE:
        console.print(f"    meanwhile   {_ADVICE[change.kind].format(change.against)}")
