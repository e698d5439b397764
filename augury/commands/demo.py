"""`augury demo`: a project's past, replayed from events to judged predictions."""

import importlib
import signal
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from augury.demo.live import StalledError
from augury.demo.report import write
from augury.demo.run import Demo
from augury.demo.scenario import Scenario
from augury.settings import Settings
from augury.stack.part import PartError
from features.policies import EvaluationPolicy
from features.project import load_project

app = typer.Typer()


@app.command()
def demo(
    project: Annotated[str, typer.Argument(help="The project's module; it has a `scenario` module.")],
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running at the end.")] = False,
    home: Annotated[Path, typer.Option(help="Where the demo's state lives; made anew.")] = Path(
        ".augury/demo"
    ),
) -> None:
    """Show it all: stack, stream, backfill, training, live traffic, drift, trial, audit.

    Writes demo-summary.json and demo-report.html, and takes everything down at the end.
    """
    console = Console()
    scenario = importlib.import_module(f"{project}.scenario").scenario
    assert isinstance(scenario, Scenario)
    loaded = load_project(project)
    shown = Demo(loaded, scenario, Settings(home=home, replay=True), console)
    signal.signal(signal.SIGTERM, _interrupt)
    shown.prepare()
    try:
        shown.run()
        _tell(shown, console)
    except (StalledError, TimeoutError) as error:
        raise PartError(f"the demo stopped: {error}; logs are in {shown.settings.home}/logs") from error
    finally:
        shown.summary.write(Path("demo-summary.json"))
        if keep:
            console.print(f"everything is left running: {_again(shown)} augury down ends it", soft_wrap=True)
        else:
            with console.status("going down"):
                shown.stack.down()


def _tell(shown: Demo, console: Console) -> None:
    summary, model = shown.summary, shown.scenario.model.name
    policies = [
        p for p in shown.project.policies if isinstance(p, EvaluationPolicy) and p.model.name == model
    ]
    report = Path("demo-report.html")
    with shown.client() as client:
        write(
            report,
            client,
            shown.project.model_plans[model],
            policies[0] if policies else None,
            summary,
            shown.event_ms,
            shown.http_ms,
            shown.scenario.end,
        )
    console.print(summary.table())
    for complaint in summary.complaints():
        console.print(f"[red]not as it must be:[/] {complaint}")
    settings = shown.settings
    console.rule("where to look next")
    console.print(f"report            {report.resolve()}")
    console.print("figures           demo-summary.json")
    console.print(f"again             {_again(shown)} augury up", soft_wrap=True)
    console.print("run it with --keep, and these stay up:", style="dim")
    console.print(f"Flink             {settings.flink_url}")
    console.print(f"Prefect           {settings.prefect_api_url.removesuffix('/api')}")
    console.print(f"HTTP door         http://{settings.http_host}:{settings.http_port}/docs")
    console.print(f"SQL               curl '{settings.warehouse_url}/?database=augury' -d \"{_SQL}\"")


def _again(shown: Demo) -> str:
    """Give what a shell says before `augury`, so that a command is about the demo's stack."""
    return f"AUGURY_HOME={shown.settings.home} AUGURY_REPLAY=true"


_SQL = (
    "SELECT toDate(requested_at) AS day, model_version_used, count(), avg(prediction) "
    "FROM model_prediction_log FINAL GROUP BY 1, 2 ORDER BY 1 FORMAT PrettyCompact"
)


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt
