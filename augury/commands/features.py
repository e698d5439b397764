"""`augury features`: the catalogue of feature groups, and the features that are frozen at their defaults."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from typer.core import TyperGroup

from augury.catalogue import read_catalogue
from augury.decisions import A_PERSON, By, Model, Why, Yes, decide, tell
from augury.models import registry
from augury.options import utc
from augury.settings import Settings
from augury.tables import console, table
from features.catalogue import Entry
from features.project import load_project
from features.windows import spell


class _Commands(TyperGroup):
    """What names no other command asks for the list."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401
        """Read the arguments."""
        named = bool(args) and (args[0] in self.commands or args[0] == "--help")
        return super().parse_args(ctx, args if named else ["list", *args])


app = typer.Typer(
    cls=_Commands, help="What features there are, which is what names no other command; freezing."
)

Named = Annotated[str, typer.Argument(help="A feature as vectors name it: <group>.<feature>.")]


@app.command("list")
def list_features(
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
    out = console()
    if not found:
        out.print(f"there is no feature with {search!r} in its line" if search else "there is no feature")
        return
    if group is None:
        out.print(_list(found))
        return
    for entry in found:
        _show(out, entry)


@app.command()
def frozen(
    past: Annotated[bool, typer.Option("--all", help="Those too that were thawed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Objects; times in ms.")] = False,
) -> None:
    """List the features that models have at their defaults: since when, by whom and why."""
    found = [period for period in registry(Settings()).freezes.history() if past or period.until is None]
    if as_json:
        typer.echo(json.dumps([asdict(period) for period in found], indent=2, ensure_ascii=False))
        return
    shown = table("model", "feature", "default", "since", "by", "why", "alert", "thawed")
    for period in found:
        thawed = (
            "" if period.until is None else f"{utc(period.until)} by {period.thawed_by}: {period.thawed_why}"
        )
        texts = (period.by, period.why, period.alert_id or "", thawed)
        shown.add_row(
            period.model_name, period.feature, repr(period.value), utc(period.since), *map(escape, texts)
        )
    console().print(shown)


@app.command()
def freeze(model: Model, feature: Named, why: Why, by: By = A_PERSON, yes: Yes = False) -> None:
    """Let a model have a feature at its default, whatever its rows hold, until it is thawed by `thaw`."""
    settings = Settings()
    held = registry(settings)
    what = f"{model} has {feature} at its default, whatever its rows hold"
    changed = decide(held, what, yes, lambda: held.freezes.freeze(model, feature, by=by, why=why))
    tell(settings, held, f"{feature} of {model} is frozen" + ("" if changed else " already"))


@app.command()
def thaw(model: Model, feature: Named, why: Why, by: By = A_PERSON, yes: Yes = False) -> None:
    """Let a model have a frozen feature as its rows have it again."""
    settings = Settings()
    held = registry(settings)
    what = f"{model} has {feature} as its rows have it"
    changed = decide(held, what, yes, lambda: held.freezes.thaw(model, feature, by=by, why=why))
    tell(settings, held, f"{feature} of {model} is " + ("thawed" if changed else "not frozen"))


def _list(entries: Sequence[Entry]) -> Table:
    shown = table("group", "feature", "type", "computed as", "entity", "owner", "standing")
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
            shown.add_row(*map(escape, texts))
        shown.add_section()
    return shown


def _show(out: Console, entry: Entry) -> None:
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
    out.print(f"[bold]{entry.label}[/]")
    for name, text in lines.items():
        if text:
            out.print(f"  {name:<10}{escape(text)}", highlight=False, soft_wrap=True)
    shown = table("feature", "type", "computed as", "default", "possible")
    for feature in entry.features:
        default = "" if feature.default is None else repr(feature.default)
        possible = "" if feature.range is None else "{:g} to {:g}".format(*feature.range)
        shown.add_row(feature.name, feature.type, escape(feature.computation), escape(default), possible)
    out.print(shown)
