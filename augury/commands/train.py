"""`augury train`: a new version of a model, from what the log holds."""

import time
from typing import Annotated

import typer
from rich.console import Console

from augury.clients import warehouse
from augury.models import registry
from augury.settings import Settings
from features.project import load_project
from flows.runs import PrefectRuns
from flows.triggers import RETRAIN
from warehouse.backfill import log_clock

app = typer.Typer()
_PATIENCE_S = 1_800.0


@app.command()
def train(
    project: Annotated[str, typer.Argument(help="The project's module, such as examples.flights.")],
    model: Annotated[str, typer.Argument(help="A model of the project.")],
    name: Annotated[str, typer.Option(help="Names the training set; the same name trains once.")] = "",
) -> None:
    """Build the as-of training set of all labels known now, train, export and register, as a flow run.

    The version is registered in `staging`, unless a gate of its policy fails, which is told then. Where there
    is a champion its trial in shadow begins; without one, `augury models promote` makes it the champion.
    """
    settings, console = Settings(), Console()
    loaded = load_project(project)
    plans = loaded.model_plans
    if model not in plans:
        raise typer.BadParameter(f"a model is one of the project's ({', '.join(plans)}); not {model!r}")
    at = log_clock(warehouse(settings), loaded.source_plans[plans[model].label.source])
    if at is None:
        raise typer.BadParameter(
            f"the warehouse holds no {plans[model].label.source} yet; is the sink running?"
        )
    held, alert = registry(settings), name or f"asked-{at}"
    with (
        PrefectRuns(settings.prefect_api_url, settings.prefect_auth.get_secret_value()) as runs,
        console.status("training") as status,
    ):
        parameters = {"model_name": model, "alert_id": alert, "policy": "augury train", "at": at}
        run = runs(RETRAIN, parameters, f"{model}/{alert}")
        address = settings.prefect_api_url.removesuffix("/api")
        status.update(f"training: {address}/runs/flow-run/{run}")
        deadline = time.monotonic() + _PATIENCE_S
        while not (done := [v for v in held.versions(model) if v.experiment_id == f"{model}-{alert}"]):
            if failed := [r for r in held.gates.results(f"{model}-{alert}") if not r.passed]:
                for r in failed:
                    console.print(f"gate {r.gate}: {r.rule}; found {r.value}, so {r.consequence}")
                console.print(f"nothing was registered; see {address}/runs/flow-run/{run}")
                raise typer.Exit(1)
            if time.monotonic() > deadline:
                console.print(f"not done after {_PATIENCE_S:.0f} s; see {address}/runs/flow-run/{run}")
                raise typer.Exit(1)
            time.sleep(0.2)
    console.print(f"{model} version {done[0].version} is in {done[0].status.value}")
    for metric, value in held.experiments.get(done[0].experiment_id).evaluation_metrics.items():
        console.print(f"  {metric:20} {'unknown' if value is None else f'{value:,.4f}'}")
