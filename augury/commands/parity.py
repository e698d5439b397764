"""`augury parity`: the stream's rows against the backfill's."""

from typing import Annotated

import typer

from augury.clients import warehouse
from augury.options import group_plan, range_of, utc
from augury.settings import Settings
from augury.tables import console, table
from features.project import load_project
from warehouse.handover import handed_over
from warehouse.parity import parity as compare
from warehouse.parity import reached

app = typer.Typer()


@app.command()
def parity(
    project: Annotated[str, typer.Argument(help="The project's module, such as examples.flights.")],
    group: Annotated[str, typer.Argument(help="A feature group: its name, or <name>.v<version>.")],
    since: Annotated[str | None, typer.Option(help="ISO 8601; from the beginning without it.")] = None,
    until: Annotated[str | None, typer.Option(help="ISO 8601; as far as both have come without it.")] = None,
    most: Annotated[int, typer.Option(help="How many differences to show.")] = 10,
) -> None:
    """Compare every row of a time range, value by value; exit status 1 where they differ."""
    plan = group_plan(load_project(project), group)
    out, client = console(), warehouse(Settings())
    start, end = range_of(client, plan, since, until)
    handed = handed_over(client, plan.name, plan.version)
    if handed is not None and start < handed.cut:
        start = handed.cut
        out.print(f"{plan.label}: the stream begins at {utc(start)}; rows before are the backfill's own")
    if until is None:
        end = min(end, reached(client, plan.table, plan.backfill_table))
    found = compare(client, plan, start, end, most)
    out.print(f"{plan.label}: rows before {utc(end)}")
    out.print(
        f"{found.group}: {found.compared:,} rows compared, {found.same:,} the same, "
        f"{found.differing:,} differ, "
        f"{found.only_stream:,} in the stream only, {found.only_backfill:,} in the backfill only"
    )
    if found.first:
        shown = table("entity", "seq", "event_timestamp", "column", "stream", "backfill")
        for row in found.first:
            for name, (stream, backfill) in row.columns.items():
                shown.add_row(row.entity, str(row.seq), row.event_timestamp, name, str(stream), str(backfill))
        out.print(shown)
    if not found.compared:
        out.print("nothing was compared: backfill the group first, or name a range that has rows")
    if found.mismatches or not found.compared:
        raise typer.Exit(1)
