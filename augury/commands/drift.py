"""`augury drift`: what models are served now against what they were trained on."""

from typing import Annotated

import typer
from rich.console import Console

from augury.checking import checked
from augury.options import utc
from augury.tables import console, table
from features.policies import DriftPolicy
from features.project import Project, load_project
from flows.check import Report, check

app = typer.Typer()


@app.command()
def drift(
    project: Annotated[str, typer.Argument(help="The project's module, such as examples.flights.")],
    group: Annotated[
        str, typer.Argument(help="A feature group, `outputs`, or a policy's whole name; all without it.")
    ] = "",
    at: Annotated[
        str | None, typer.Option(help="Where the window ends, ISO 8601; the newest whole one without it.")
    ] = None,
) -> None:
    """Check drift policies for one window, and show each feature; exit status 1 where one drifted.

    The findings are kept in `feature_drift_report`. Alerts are the flow's, which checks each window once it
    is over.
    """
    loaded, out, drifted = load_project(project), console(), 0
    for policy, report in checked(out, loaded, _chosen(loaded, group), at, "reference", check):
        _show(out, policy, report)
        drifted += len(report.drifted)
    if drifted:
        raise typer.Exit(1)


def _chosen(project: Project, group: str) -> list[DriftPolicy]:
    policies = [p for p in project.policies if isinstance(p, DriftPolicy)]
    found = [p for p in policies if group in ("", p.name, p.subject, *_names(p))]
    if not found:
        known = ", ".join(p.name for p in policies) or "it has none"
        raise typer.BadParameter(
            f"a drift policy is one of the project's ({known}); none is of {group or 'anything'!r}"
        )
    return found


def _names(policy: DriftPolicy) -> tuple[str, ...]:
    return () if policy.group is None else (policy.group.name,)


def _show(out: Console, policy: DriftPolicy, report: Report) -> None:
    window = report.window
    out.print(
        f"{policy.name}: {utc(window.start)} to {utc(window.end)}, against version {window.model_version}"
    )
    shown = table("feature", "method", "n", "reference", "missing", "PSI", "effect", "p", "q", "drift")
    for f in report.findings:
        shown.add_row(
            f.reference.feature,
            f.reference.method,
            f"{f.rows:,}",
            f"{f.reference.rows:,}",
            f"{f.missing_share:.1%}",
            f"{f.psi:.3f}",
            *(_spelled(value) for value in (f.effect_size, f.p_value, f.q_value)),
            f"[red]{', '.join(f.causes)}[/]" if f.drifted else "not judged" if f.q_value is None else "",
        )
    out.print(shown)
    rule = "PSI above" if policy.threshold is not None else "q at most"
    limit = policy.level if policy.threshold is None else policy.threshold
    out.print(f"{len(report.drifted)} of {len(report.findings)} features drifted ({rule} {limit:.3g})")
    newest = sum(f.drifted and (policy.threshold is not None and f.psi <= limit) for f in report.findings)
    if newest:
        out.print(f"{newest} of these look broken in the newest {policy.every}, judged by itself")
    if not report.judged:
        out.print(f"nothing was judged, for that takes {policy.min_rows:,} values on both sides")


def _spelled(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
