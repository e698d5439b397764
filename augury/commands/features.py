"""`augury features`: the catalogue of feature groups."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from augury.catalogue import read_catalogue
from augury.options import utc
from augury.settings import Settings
from features.catalogue import Entry
from features.project import load_project
from features.windows import spell

app = typer.Typer()


@app.command()
def features(
    project: Annotated[str | None, typer.Argument(help="A module; without it, what was applied.")] = None,
    group: Annotated[
        str | None, typer.Option(help="One group in full: <name>, or <name>.v<version>.")
    ] = None,
    search: Annotated[str, typer.Option(help="Words that all occur in a feature's line.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Objects; times and durations in ms.")] = False,
) -> None:
    """List features with what they mean, how they are computed and who reads them; or show one group."""
    loaded = None if project is None else load_project(project)
    entries = read_catalogue(loaded, Settings())
    if group is not None:
        named = [entry for entry in entries if group in (entry.group, entry.label)]
        if not named:
            known = ", ".join(entry.label for entry in entries) or "there is none"
            raise typer.BadParameter(f"a group was applied or is the project's ({known}); not {group!r}")
        entries = named
    found = [e for e in (entry.matching(search.split()) for entry in entries) if e.features]
    if as_json:
        typer.echo(json.dumps([asdict(entry) for entry in found], indent=2, ensure_ascii=False))
        return
    console = Console()
    if group is None:
        console.print(_list(found))
        return
    for entry in found:
        _show(console, entry)


def _list(entries: Sequence[Entry]) -> Table:
    table = Table(
        "group", "feature", "type", Column("computed as", overflow="fold"), "entity", "owner", "standing"
    )
    for entry in entries:
        for number, feature in enumerate(entry.features):
            about = (entry.entity, entry.owner, entry.standing.value) if number == 0 else ("", "", "")
            texts = (
                entry.label if number == 0 else "",
                feature.name,
                feature.type,
                feature.computation,
                *about,
            )
            table.add_row(*map(escape, texts))
        table.add_section()
    return table


def _show(console: Console, entry: Entry) -> None:
    applied = "" if entry.applied_at is None else f" since {utc(entry.applied_at)}"
    change = "" if entry.effect is None else f"; change from the version before it: {entry.effect}"
    quiet = "" if entry.quiet_after_ms is None else f", of a quiet source {spell(entry.quiet_after_ms)}"
    late = f"a lag up to {spell(entry.expected_max_lag_ms)} is fresh, beyond it: {entry.on_stale}"
    lines = {
        "meaning": entry.meaning,
        "owner": entry.owner,
        "standing": f"{entry.standing}{applied}{change}",
        "served as": "" if entry.served_as == entry.version else f"v{entry.served_as}, by a cut-over",
        "entity": f"{entry.entity} ({', '.join(entry.keys)})",
        "source": f"{entry.source}, events in {entry.order} order",
        "where": entry.where or "",
        "windows": "; ".join(entry.windows),
        "freshness": f"{late}; alert after {spell(entry.alert_threshold_ms)}{quiet}",
        "contract": entry.contract_hash,
        "read by": "; ".join(f"{use.reader}: {', '.join(use.features)}" for use in entry.uses),
    }
    console.print(f"[bold]{entry.label}[/]")
    for name, text in lines.items():
        if text:
            console.print(f"  {name:<10}{escape(text)}", highlight=False, soft_wrap=True)
    table = Table("feature", "type", Column("computed as", overflow="fold"), "default")
    for feature in entry.features:
        default = "" if feature.default is None else repr(feature.default)
        table.add_row(feature.name, feature.type, escape(feature.computation), escape(default))
    console.print(table)
