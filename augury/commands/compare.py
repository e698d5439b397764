"""`augury compare`: two versions of a group beside each other."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from augury.clients import warehouse
from augury.comparison import HEADINGS, contrast_row, write_comparison
from augury.options import applied_version, moment, utc
from augury.settings import Settings
from augury.tables import console, table
from warehouse.compare import Comparison
from warehouse.compare import compare as measure
from warehouse.parity import reached

app = typer.Typer()


@app.command()
def compare(
    group: Annotated[str, typer.Argument(help="A feature group's name.")],
    before: Annotated[int, typer.Option("--from", help="The version that stands.")],
    after: Annotated[int, typer.Option("--to", help="The version that is to follow it.")],
    since: Annotated[str | None, typer.Option(help="ISO 8601; from the beginning without it.")] = None,
    until: Annotated[str | None, typer.Option(help="ISO 8601; as far as both have come without it.")] = None,
    backfilled: Annotated[
        bool, typer.Option("--backfilled", help="The backfills' rows, not the streams'.")
    ] = False,
    most: Annotated[int, typer.Option(help="How many events that differ to show.")] = 5,
    report: Annotated[Path | None, typer.Option(help="Where to write a page with the distributions.")] = None,
) -> None:
    """Compare two applied versions at the same events, and their distributions; exit status 1 without events.

    "same" counts the joined events with equal values; "moved by" is the mean of new less old, "at most" the
    greatest difference; "distance" is that of the two distribution functions, 0 to 1.
    """
    client = warehouse(Settings())
    old, new = (applied_version(client, group, version) for version in (before, after))
    kind = "backfill" if backfilled else "features"
    start = 0 if since is None else moment(since)
    end = moment(until) if until else reached(client, *(f"{kind}_{c.group}_v{c.version}" for c in (old, new)))
    found = measure(client, old, new, start, end, backfilled=backfilled, most=most)
    out = console()
    _show(out, found, end)
    if report is not None:
        write_comparison(report, found)
        out.print(f"written to {report}")
    if not found.joined:
        out.print("nothing was compared: no event of the range has a row in both versions")
        raise typer.Exit(1)


def _show(out: Console, found: Comparison, end: int) -> None:
    out.print(
        f"{found.before} and {found.after}, rows before {utc(end)}: "
        f"{found.joined:,} events joined, {found.same:,} with all shared features equal, "
        f"{found.only_before:,} in {found.before} only, {found.only_after:,} in {found.after} only; "
        f"decay rows: {found.decay_before:,} and {found.decay_after:,}",
        soft_wrap=True,
    )
    shown = table(*HEADINGS)
    for contrast in found.features:
        shown.add_row(*contrast_row(found, contrast))
    out.print(shown)
    if found.first:
        differing = table(
            "entity", "event_timestamp", "topic:partition:offset", "feature", found.before, found.after
        )
        for pair in found.first:
            for name, (was, now) in pair.columns.items():
                place = ":".join(map(str, pair.place))
                differing.add_row(pair.entity, pair.event_timestamp, place, name, str(was), str(now))
        out.print(differing)
