"""`augury models`: what is registered, where it comes from, what serves, and every change of that."""

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from augury.decisions import A_PERSON, By, Model, Why, Yes, confirm, decide, tell
from augury.models import registry
from augury.options import utc
from augury.settings import Settings
from augury.spelling import spelled
from augury.tables import console, table
from inference.registry import Canary, ModelVersion, Registry, UnknownModelError

app = typer.Typer(no_args_is_help=True, help="What is registered, what serves, and every change of that.")

_MOST = 10
Version = Annotated[int, typer.Argument(help="One of its versions.")]


@app.command("list")
def list_models(
    as_json: Annotated[bool, typer.Option("--json", help="Objects, with all fields; times in ms.")] = False,
) -> None:
    """List every model's versions with their status and metrics."""
    held = registry(Settings())
    if as_json:
        found = [_fields(held, version) for name in held.models() for version in held.versions(name)]
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    if not held.models():
        console().print("no version of a model is registered")
        return
    shown = table("model", "version", "status", "holdout AUC", "experiment", "SHA-256")
    for name in held.models():
        for version in held.versions(name):
            auc = held.experiments.get(version.experiment_id).evaluation_metrics.get("holdout_auc")
            shown.add_row(
                name,
                str(version.version),
                version.status.value + _share(held, version),
                "" if auc is None else f"{auc:.4f}",
                version.experiment_id,
                version.sha256[:12],
            )
    console().print(shown)


@app.command()
def show(
    model: Model,
    version: Annotated[int | None, typer.Argument(help="The champion without it, or the newest.")] = None,
) -> None:
    """Show a version: where it comes from, and what has happened to it; and who was champion of its model."""
    held, out = registry(Settings()), console()
    shown = _newest(held, model) if version is None else held.get(model, version)
    lineage = held.history.lineage(model, shown.version)
    out.print(f"{model} version {shown.version} ({shown.status})", markup=False)
    metrics = held.experiments.get(shown.experiment_id).evaluation_metrics
    for name, value in (
        ("artifact", shown.artifact_uri),
        ("SHA-256", shown.sha256),
        ("framework", f"{shown.framework}, served as {shown.serving_flavour}"),
        ("canary", _share(held, shown).removeprefix(", ")),
        ("registered", utc(shown.created_at)),
        ("experiment", lineage.experiment_id),
        ("corrects", lineage.parent_experiment_id or ""),
        ("training set", lineage.training_dataset_version),
        ("groups", ", ".join(f"{group}.v{v}" for group, v in lineage.feature_group_versions.items())),
        ("code", lineage.code_version),
        ("environment", spelled("environment", lineage.environment)),
        ("seed", f"{lineage.seed}"),
        *((name, spelled(name, value)) for name, value in metrics.items()),
    ):
        if value:
            _line(out, name, value)
    events = [event for event in held.history.events(model) if event.version == shown.version]
    happened = table("at", "what", "by", "why", title="events")
    for event in events:
        happened.add_row(utc(event.at), event.kind, escape(event.by), escape(event.why))
    out.print(happened)
    for event in events:
        if event.evidence is not None:
            out.print(f"evidence of {event.kind} at {utc(event.at)}", highlight=False, markup=False)
            for name, value in json.loads(event.evidence).items():
                many = isinstance(value, list) and len(value) > _MOST
                _line(out, name, f"{len(value):,} values" if many else spelled(name, value))
    reigns = table("version", "from", "to", "by", "why", title=f"champions of {model}")
    for reign in held.history.champions(model):
        until = "" if reign.valid_to is None else utc(reign.valid_to)
        reigns.add_row(str(reign.version), utc(reign.valid_from), until, escape(reign.by), escape(reign.why))
    out.print(reigns)


def _line(out: Console, name: str, text: str) -> None:
    out.print(f"  {name:20} {text}", highlight=False, markup=False, soft_wrap=True)


@app.command()
def promote(model: Model, version: Version, why: Why, by: By = A_PERSON, yes: Yes = False) -> None:
    """Make a version the champion, and retire the one before; every door swaps to it, and a canary ends."""
    settings, held, subject = _asked(model, version)
    champion, on = held.champion(model), held.canaries.on(model)
    before = "which has none" if champion is None else f"in place of version {champion.version}"
    if on is not None:
        before += f", and the canary of version {on.version}, with a share of {on.share:g} now, ends"
    evidence = None if on is None else {"canary": asdict(on)}
    what = f"{subject} becomes the champion of {model}, {before}"
    decide(held, what, yes, lambda: held.promote(model, version, by=by, why=why, evidence=evidence))
    tell(settings, held, f"{model} version {version} is champion")


@app.command()
def canary(model: Model, version: Version, why: Why, by: By = A_PERSON, yes: Yes = False) -> None:
    """Let a challenger take over by the steps of its model's canary policy; every door follows."""
    settings, held, subject = _asked(model, version)
    steps = next(
        (row["steps"] for row in held.policies.of("canary_policy") if row["model_name"] == model), None
    )
    if steps is None:
        rule = "a canary goes by the steps of its model's canary policy"
        raise typer.BadParameter(f"{rule}; {model} has none: state one, and apply it")
    what = f"{subject} has a share of {steps[0]:g} of the entities of {model}"
    decide(held, what, yes, lambda: held.canaries.begin(model, version, steps[0], by=by, why=why))
    tell(settings, held, f"{model} version {version} has a share of {steps[0]:g}")


@app.command()
def reject(model: Model, version: Version, why: Why, by: By = A_PERSON, yes: Yes = False) -> None:
    """Turn a staging or challenger version down for good; its trial ends, or its canary."""
    settings, held, subject = _asked(model, version)
    what = f"{subject} is rejected for good, and its trial ends"
    decide(held, what, yes, lambda: held.reject(model, version, by=by, why=why))
    tell(settings, held, f"{model} version {version} is rejected")


@app.command()
def retire(model: Model, version: Version, why: Why, by: By = A_PERSON, yes: Yes = False) -> None:
    """Take a version out of use without judging it; retired, a champion leaves its model without any."""
    settings, held, subject = _asked(model, version)
    champion = held.champion(model)
    serves = champion is not None and champion.version == version
    after = f"{model} answers nothing until a version is promoted" if serves else "it cannot be promoted"
    what = f"{subject} is retired, and {after}"
    decide(held, what, yes, lambda: held.retire(model, version, by=by, why=why))
    tell(settings, held, f"{model} version {version} is retired")


@app.command()
def rollback(model: Model, why: Why, by: By = A_PERSON, yes: Yes = False) -> None:
    """Bring the champion before back at once; every door swaps to it."""
    settings = Settings()
    held = registry(settings)
    champion = held.champion(model)
    now = "which has none" if champion is None else f"in place of version {champion.version}"
    with held.rehearsing():
        back = held.rollback(model, by=by, why=why)
    what = f"version {back.version} comes back as the champion of {model}, {now}"
    of = None if champion is None else champion.version  # what was confirmed, whoever decides meanwhile
    confirm(what, yes)
    back = held.rollback(model, by=by, why=why, of=of)
    tell(settings, held, f"{model} version {back.version} is champion again")


def _asked(model: str, version: int) -> tuple[Settings, Registry, str]:
    """Open the registry and spell what is asked of, so that nobody confirms what does not exist."""
    settings = Settings()
    held = registry(settings)
    found = held.get(model, version)
    return settings, held, f"version {version} ({found.status}, of {utc(found.created_at)})"


def _share(held: Registry, version: ModelVersion) -> str:
    found = _canary(held, version)
    return "" if found is None else f", with a share of {found.share:g} since {utc(found.since)}"


def _fields(held: Registry, version: ModelVersion) -> dict[str, object]:
    found = _canary(held, version)
    metrics = held.experiments.get(version.experiment_id).evaluation_metrics
    return asdict(version) | {"metrics": metrics, "canary": None if found is None else asdict(found)}


def _canary(held: Registry, version: ModelVersion) -> Canary | None:
    found = held.canaries.on(version.model_name)
    return found if found is not None and found.version == version.version else None


def _newest(held: Registry, model: str) -> ModelVersion:
    champion = held.champion(model)
    if champion is not None:
        return champion
    versions = held.versions(model)
    if not versions:
        raise UnknownModelError(model, models=held.models())
    return versions[-1]
