"""`augury tune`: better parameters for a model's next training."""

import logging
from dataclasses import replace
from typing import Annotated

import typer
from prefect.settings import temporary_settings
from rich.console import Console
from rich.progress import Progress

from augury.clients import warehouse
from augury.models import registry, unused
from augury.options import COLUMNS
from augury.services.flows import collaborators
from augury.settings import Settings
from augury.trials import trials_table
from features.project import load_project
from flows.context import configure
from flows.gates import GateError
from flows.rows import TrainingDataError
from flows.study import Study, TuningError
from flows.tune import tune as search
from flows.worker import server_settings
from inference.registry import ExperimentKind, Registry
from warehouse.backfill import log_clock

app = typer.Typer()
_SHOWN = 10


@app.command()
def tune(
    project: Annotated[str, typer.Argument(help="The project's module, such as examples.flights.")],
    model: Annotated[str, typer.Argument(help="A model of the project whose definition states a search.")],
    trials: Annotated[int | None, typer.Option(min=1, help="Of the study in all; else the model's.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0, help="No trial or fold begins later.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="How many trials run at once.")] = 1,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the model's newest study.")] = False,
) -> None:
    """Search the model's parameters on the labels known now, as a flow run of this process.

    Each trial is kept as it ends; ^C stops, and `--resume` goes on. The next training starts from the best.
    """
    settings, console = Settings(), Console()
    loaded = load_project(project)
    stated = {m.name: m.search for m in loaded.models}
    if (defined := stated.get(model)) is None:
        known = ", ".join(name for name, found in stated.items() if found is not None) or "it has none"
        raise typer.BadParameter(f"a model of the project states a search ({known}); not {model!r}")
    held = registry(settings)
    if resume:
        study, at = _newest(held, model)
    else:
        source = loaded.source_plans[loaded.model_plans[model].label.source]
        clock = log_clock(warehouse(settings), source)
        if clock is None:
            raise typer.BadParameter(f"the warehouse holds no {source.name} yet; is the sink running?")
        study, at = unused(held, f"{model}-tuning-{clock}"), clock
    for told in ("prefect.flow_runs", "prefect.task_runs"):  # each step, which the bar and the messages tell
        logging.getLogger(told).setLevel(logging.CRITICAL)
    budget, before = trials or defined.trials, len(held.experiments.trials(study))
    auth = settings.prefect_auth.get_secret_value() or None
    context = collaborators(loaded, settings)
    try:
        with (
            temporary_settings(server_settings(settings.prefect_api_url, auth)),
            Progress(*COLUMNS, console=console, transient=True) as bar,
        ):
            task = bar.add_task(f"trials of {study}", total=budget, completed=before)
            configure(replace(context, on_trial=lambda _trial: bar.advance(task)))
            search(model, study, at, budget, minutes, workers)
    except KeyboardInterrupt:
        kept = len(held.experiments.trials(study))
        console.print(f"stopped: {kept} trials of {study} are kept, and --resume goes on with them")
        raise typer.Exit(130) from None
    except (TuningError, TrainingDataError, GateError) as error:
        console.print(str(error), markup=False)
        raise typer.Exit(1) from error
    _show(console, held, model, study)


def _newest(held: Registry, model: str) -> tuple[str, int]:
    """Give the id of a model's newest study, and the moment of its training set."""
    studies = held.experiments.all(model_name=model, kind=ExperimentKind.TUNING)
    if not studies:
        raise typer.BadParameter(f"a study that has begun goes on; {model} has none yet")
    return studies[-1].experiment_id, Study.from_dict(studies[-1].recipe).until


def _show(console: Console, held: Registry, model: str, study: str) -> None:
    trials, begun = held.experiments.trials(study), Study.from_dict(held.experiments.get(study).recipe)
    console.print(trials_table(trials, begun.metric, _SHOWN))
    config = held.training_config(model)
    assert config is not None  # the flow has kept it
    console.print(f"{study}: {len(trials)} trials; the next training of {model} starts from", highlight=False)
    for name, value in config.hyperparameters.items():
        console.print(f"  {name:20} {value}", markup=False, highlight=False)
