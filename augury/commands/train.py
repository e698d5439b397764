"""`augury train`: a new version of a model, from what the log holds."""

import time
from collections.abc import Callable
from typing import Annotated

import typer
from rich.console import Console
from rich.status import Status

from augury.clients import warehouse
from augury.models import registry, unused
from augury.settings import Settings
from augury.spelling import spelled
from features.project import load_project
from flows.runs import ENDED, PrefectRuns, State
from flows.triggers import RETRAIN
from inference.registry import ModelVersion, Registry
from warehouse.backfill import log_clock

app = typer.Typer()
_PATIENCE_S, _HINT_S = 1_800.0, 15.0
_UNTAKEN = {"Scheduled", "Late", "Pending"}


@app.command()
def train(
    project: Annotated[str, typer.Argument(help="The project's module, such as examples.flights.")],
    model: Annotated[str, typer.Argument(help="A model of the project.")],
    name: Annotated[
        str,
        typer.Option(help="Names the training set; the same name trains once. Without it a new one."),
    ] = "",
) -> None:
    """Build the as-of training set of all labels known now, train, export and register, as a flow run.

    The version is registered in `staging`, unless a gate of its policy fails, which is told then. Where there
    is a champion its trial in shadow begins; without one, `augury models promote` makes it the champion. ^C
    leaves the run alone.
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
    held = registry(settings)
    experiment = f"{model}-{name}" if name else unused(held, f"{model}-asked-{at}")
    alert = experiment.removeprefix(f"{model}-")
    with PrefectRuns(settings.prefect_api_url, settings.prefect_auth.get_secret_value()) as runs:
        parameters = {"model_name": model, "alert_id": alert, "policy": "augury train", "at": at}
        run = runs(RETRAIN, parameters, f"{model}/{alert}")
        page = f"{settings.prefect_api_url.removesuffix('/api')}/runs/flow-run/{run}"
        try:
            with console.status(f"training: {page}") as status:
                done = _await(held, model, experiment, lambda: runs.state(run), status, page)
        except (KeyboardInterrupt, TimeoutError) as reason:
            console.print(f"the training goes on; {page} shows it, and cancels it", soft_wrap=True)
            raise typer.Exit(1 if isinstance(reason, TimeoutError) else 130) from None
    if done is None:
        failed = [r for r in held.gates.results(experiment) if not r.passed]
        for r in failed:
            console.print(f"gate {r.gate}: {r.rule}; found {r.value}, so {r.consequence}")
        console.print(f"nothing was registered; see {page}", soft_wrap=True)
        raise typer.Exit(1)
    console.print(f"{model} version {done.version} is registered, and its status is {done.status.value}")
    for metric, value in held.experiments.get(done.experiment_id).evaluation_metrics.items():
        console.print(f"  {metric:20} {spelled(metric, value) or 'unknown'}", highlight=False)


def _await(
    held: Registry, model: str, experiment: str, state: Callable[[], State], status: Status, page: str
) -> ModelVersion | None:
    """Wait for the version of an experiment; None where its run has ended without one.

    Raises `TimeoutError` where it goes on for longer than half an hour.
    """
    started = time.monotonic()
    while (passed := time.monotonic() - started) < _PATIENCE_S:
        now = state()
        found = next((v for v in held.versions(model) if v.experiment_id == experiment), None)
        if found is not None or now.kind in ENDED:
            return found
        if now.name in _UNTAKEN and passed > _HINT_S:
            status.update(f"no worker has taken the run yet; does `flows` run? `augury status` tells: {page}")
        time.sleep(0.2)
    raise TimeoutError
