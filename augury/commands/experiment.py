"""`augury experiment`: what was trained and tuned, and whether it comes out again."""

import json
import uuid
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from augury.clients import warehouse
from augury.experiments import Experiments
from augury.models import artifacts, registry
from augury.options import COLUMNS, utc
from augury.services.flows import code_version
from augury.settings import Settings
from augury.spelling import spelled
from augury.tables import console, table
from augury.training import StoredDataset, stored_set
from augury.trials import trials_table
from flows.export import ExportMismatchError
from flows.rerun import Difference, RerunError, require_recipe, rerun_trials
from flows.rerun import rerun as train_again
from flows.rows import TrainingDataError
from flows.study import Study, best
from inference.registry import Experiment, ExperimentKind, GateResult, Registry

app = typer.Typer(no_args_is_help=True, help="What was trained and tuned, and whether it comes out again.")

Id = Annotated[str, typer.Argument(help="The experiment's id.")]


@app.command("list")
def list_experiments(
    model: Annotated[str | None, typer.Option(help="Of one model.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Objects, with all fields.")] = False,
) -> None:
    """List experiments, oldest first."""
    held = registry(Settings())
    found = held.experiments.all(model_name=model)
    if as_json:
        typer.echo(json.dumps([_fields(e) for e in found], indent=2, ensure_ascii=False))
        return
    if not found:
        console().print("no experiment is recorded" + ("" if model is None else f" of a model {model!r}"))
        return
    shown = table("experiment", "kind", "model", "trainer", "at", "training set", "result", "of")
    for e in found:
        shown.add_row(
            e.experiment_id,
            e.kind.value,
            e.model_name or "",
            e.model_type,
            utc(e.trained_at),
            e.training_dataset_version,
            _result(held, e),
            e.parent_experiment_id or "",
        )
    console().print(shown)


@app.command()
def show(experiment: Id) -> None:
    """Show an experiment: all fields, what came before and after it, its gates and its trials.

    Of one that a gate stopped before its training, there are the gates alone.
    """
    held, out = registry(Settings()), console()
    gates = held.gates.results(experiment)
    if gates and held.experiments.find(experiment) is None:
        out.print(f"{experiment} was stopped before its training", highlight=False, markup=False)
        out.print(_gates(gates))
        return
    found = _asked(held, experiment)
    out.print(f"{found.experiment_id} ({found.kind})", highlight=False, markup=False)
    children = held.experiments.all(parent=experiment)
    versions = [v for v in held.versions(found.model_name or "") if v.experiment_id == experiment]
    lines = {
        **{name: value for name, value in _fields(found).items() if name not in ("experiment_id", "kind")},
        "trained_at": utc(found.trained_at),
        "children": ", ".join(f"{c.experiment_id} ({c.kind})" for c in children),
        "registered as": ", ".join(f"{v.model_name} version {v.version} ({v.status})" for v in versions),
    }
    for name, value in lines.items():
        if value not in ("", None, {}):
            text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value
            if name == "evaluation_metrics":
                text = spelled(name, value)
            out.print(f"  {name:26} {text}", highlight=False, markup=False, soft_wrap=True)
    if gates:
        out.print(_gates(gates))
    trials = held.experiments.trials(experiment)
    if trials:
        out.print(trials_table(trials, Study.from_dict(found.recipe).metric, len(trials)))


@app.command()
def rerun(experiment: Id) -> None:
    """Train again by an experiment's row; exit status 1 where metrics or artifact differ.

    The rerun is recorded as an experiment that names this one as its parent. No version is registered. Of a
    study each trial's losses are computed again, and nothing is recorded.
    """
    settings, out = Settings(), console()
    held = registry(settings)
    found = _asked(held, experiment)
    try:
        require_recipe(found)
        client = warehouse(settings)
        dataset = stored_set(client, found.training_dataset_version)
        if dataset is None:
            raise RerunError(
                f"an experiment is run again on what it learned from; the warehouse no longer holds "
                f"{found.training_dataset_version}, so nothing was trained"
            )
        if found.kind is ExperimentKind.TUNING:
            same = _study_again(held, found, dataset, out)
        else:
            same = _training_again(settings, held, found, dataset, out)
    except (RerunError, ExportMismatchError, TrainingDataError) as error:
        typer.echo(f"augury: {error}", err=True)
        raise typer.Exit(1) from error
    if not same:
        raise typer.Exit(1)


def _training_again(
    settings: Settings, held: Registry, found: Experiment, dataset: StoredDataset, out: Console
) -> bool:
    identity = f"{found.experiment_id}-rerun-{uuid.uuid4().hex[:8]}"
    with out.status(f"training {identity}"):
        done = train_again(
            found,
            dataset,
            held,
            artifacts(settings),
            experiment_id=identity,
            code_version=code_version(),
        )
        Experiments(settings, held)(identity)
    out.print(f"{identity} is recorded, as a child of {found.experiment_id}", highlight=False)
    rows = done.metrics if done.sha256.before == done.sha256.after else (*done.metrics, done.sha256)
    if rows:
        _print(out, "differs", rows)
    out.print(f"metrics: {'differ' if done.metrics else 'the same'}")
    out.print(f"artifact: {'the same' if len(rows) == len(done.metrics) else 'differs'}, {done.sha256.after}")
    if done.environment:
        _print(out, "made with", done.environment)
    return done.same


def _study_again(held: Registry, found: Experiment, dataset: StoredDataset, out: Console) -> bool:
    trials = held.experiments.trials(found.experiment_id)
    valued = sum(bool(trial.losses) for trial in trials)
    with Progress(*COLUMNS, console=out, transient=True) as bar:
        task = bar.add_task(f"trials of {found.experiment_id}", total=len(trials))
        differ = rerun_trials(found, trials, dataset, lambda: bar.advance(task))
    if differ:
        _print(out, "differs", differ)
    said = "differ" if differ else "the same"
    out.print(f"losses of the {valued} of {len(trials)} trials that have some: {said}", highlight=False)
    return not differ


def _gates(gates: Sequence[GateResult]) -> Table:
    shown = table("gate", "passed", "rule", "value", title="gates")
    for gate in gates:
        shown.add_row(gate.gate, "yes" if gate.passed else "no", escape(gate.rule), escape(gate.value))
    return shown


def _print(out: Console, title: str, rows: tuple[Difference, ...]) -> None:
    shown = table("", "then", "now", title=title)
    for row in rows:
        shown.add_row(row.name, str(row.before), str(row.after))
    out.print(shown)


def _asked(held: Registry, experiment: str) -> Experiment:
    found = held.experiments.find(experiment)
    if found is None:
        raise typer.BadParameter(f"an experiment was recorded (`augury experiment list`); not {experiment!r}")
    return found


def _fields(experiment: Experiment) -> dict[str, object]:
    return {name: getattr(experiment, name) for name in Experiment.__dataclass_fields__}


def _result(held: Registry, experiment: Experiment) -> str:
    if experiment.kind is ExperimentKind.TUNING:
        trials = held.experiments.trials(experiment.experiment_id)
        found = best(trials)
        metric = Study.from_dict(experiment.recipe).metric
        return f"{len(trials)} trials" + ("" if found is None else f", {metric} {found[1].value:.4f}")
    for name in ("holdout_auc", "holdout_rmse"):
        value = experiment.evaluation_metrics.get(name)
        if value is not None:
            return f"{name} {value:.4f}"
    return ""
