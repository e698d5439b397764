"""A run of the watch: history, a first model, live traffic, and a look at each day that is over."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from augury.clock import wall_ms
from augury.demo.live import Live
from augury.demo.stage import Stage
from augury.models import registry
from augury.reports.drift import drift_page, read_drift
from augury.reports.experiment import experiment_page, read_experiment
from augury.reports.freshness import freshness_page, read_freshness
from augury.reports.model import read_model
from augury.reports.model_page import model_page
from augury.top.look import Observer
from benchmarks.common import CACHE, Result
from benchmarks.watch_findings import Stretch, moment, read_alerts, results
from flows.canary import NAME as CANARY
from flows.drift import DRIFT
from flows.monitor import MONITOR
from flows.runs import ENDED
from flows.triggers import EVALUATE, FREEZE, RETRAIN, START_TRIAL
from inference.registry import ModelStatus, Registry
from schemas.log import backlog
from warehouse.client import Client

_DAY, _HOUR = 86_400_000, 3_600_000


def watch(stage: Stage, act: str, stretches: Sequence[Stretch]) -> list[Result]:
    """Play the stretches of an act, look at each of their days, and give what was told of them."""
    started = time.monotonic()
    stage.prepare()
    stage.bring_up()
    held = registry(stage.settings)
    try:
        with stage.client() as client:
            stage.history(client)
            stage.first_model(client, held)
            asked, left = _live(stage, stretches, held)
            found = _reckon(stage, client, held, stretches, left)
            _report(stage, act, client, held)
    finally:
        held.close()
    whole = {"requests": asked, "dead letters": _dead_letters(stage), "duration": time.monotonic() - started}
    return found + [
        Result(f"the act {act}", "Augury", name, figure, "s" if name == "duration" else "")
        for name, figure in whole.items()
    ]


@dataclass(frozen=True)
class Left:
    """What a stretch has left behind: frozen features, and the kinds of what became of versions."""

    frozen: list[str]
    happened: list[str]


def _live(stage: Stage, stretches: Sequence[Stretch], held: Registry) -> tuple[int, dict[str, Left]]:
    """Play the stretches; give how many requests there were, and what each has left behind."""
    left, model_name = dict[str, Left](), stage.scenario.model.name
    live = Live(stage.scenario, stage.project.group_plans, stage.project.source_plans, stage.settings)
    try:
        for stretch in stretches:
            happened = len(held.history.events(model_name))
            stage.console.rule(f"{stretch.name}: {moment(stretch.since)} to {moment(stretch.until)}")
            if live.position < stretch.since - _DAY:  # a jump: nothing is asked on the way
                live.pass_over(stretch.since)
            with stage.bar("live", stretch.until - stretch.since) as move:
                for end in range(stretch.since + _DAY, stretch.until + 1, _DAY):
                    while live.position < end:
                        live.step(
                            live.position - live.position % _HOUR + _HOUR
                        )  # the log stands at each hour
                        move(live.position - stretch.since)
                    _look(stage, held, end)
            left[stretch.name] = _clean_up(held, model_name, happened)
    finally:
        live.close()
    return live.traffic.http + live.traffic.kafka, left


def _clean_up(held: Registry, model_name: str, before: int) -> Left:
    """Thaw what is frozen and reject who is not champion; give what there was, behind the first events."""
    events = held.history.events(model_name)[before:]
    frozen = sorted(held.freezes.frozen().get(model_name, ()))
    for feature in frozen:
        held.freezes.thaw(model_name, feature, by="watch", why="the fault is over")
    for version in held.versions(model_name):
        if version.status in (ModelStatus.STAGING, ModelStatus.CHALLENGER):
            held.reject(model_name, version.version, by="watch", why="what it was trained for is over")
    return Left(frozen, [event.kind for event in events if not event.kind.startswith("feature_")])


def _look(stage: Stage, held: Registry, end: int) -> None:
    """Let the flows look at the windows that end at a moment (ms), and wait for all that follows."""
    looks: dict[str, dict[str, int]] = {DRIFT: {"at": end}, MONITOR: {"at": end}}
    if held.canaries.on(stage.scenario.model.name) is not None:
        looks[CANARY] = {}
    for flow, parameters in looks.items():
        key = f"{flow}/{end}"
        stage.ask(flow, parameters, key)
        stage.until(lambda: stage.ended(flow, key))  # noqa: B023 (called at once)
    stage.until(lambda: _followed(stage))


def _followed(stage: Stage) -> bool:
    """Tell whether all that alerts, labels and versions have set off is over; a run may set off the next."""
    if backlog(stage.settings.kafka_bootstrap, "augury.bridge"):
        return False
    flows = (RETRAIN, FREEZE, START_TRIAL, EVALUATE)
    return all(run["state_type"] in ENDED for flow in flows for run in stage.runs(flow))


def _reckon(
    stage: Stage, client: Client, held: Registry, stretches: Sequence[Stretch], left: Mapping[str, Left]
) -> list[Result]:
    stage.until(stage.settled)
    alerts = read_alerts(client)
    for alert in alerts:
        stage.console.print(
            f"{moment(alert.at)} {alert.kind} {alert.severity} {alert.subject} {alert.looks_like} "
            f"{dict(alert.causes)}",
            markup=False,
        )
    asked, model_name = stage.retrainings(), stage.scenario.model.name
    parameters = [run["parameters"] for run in asked]
    retrainings = [p["at"] for p in parameters if held.actions.taken(model_name, RETRAIN, p["alert_id"])]
    completed = sum(run["state_type"] == "COMPLETED" for run in asked)
    stage.console.print(
        f"{len(asked)} retrainings were asked for, {len(retrainings)} allowed; {completed} runs ended well"
    )
    for name, each in left.items():
        stage.console.print(f"frozen in {name}: {', '.join(each.frozen) or 'nothing'}", markup=False)
    return [
        f
        for s in stretches
        for f in results(s, alerts, retrainings, left[s.name].frozen, left[s.name].happened)
    ]


def _report(stage: Stage, act: str, client: Client, held: Registry) -> None:
    """Write the four reports, as `augury report` does, beside the results."""
    model, everything = stage.scenario.model.name, 10_000
    with Observer(stage.settings, wall_ms) as observer:
        look = observer.look()
    (first, *_) = held.versions(model)
    pages = {
        "drift": drift_page(read_drift(client, held.policies.of("drift_policy"), model, "", everything)),
        "experiment": experiment_page(read_experiment(client, held, first.experiment_id)),
        "model": model_page(read_model(client, held, look, model, everything)),
        "freshness": freshness_page(read_freshness(client, look.clocks, "", everything)),
    }
    folder = CACHE / "watch" / act
    folder.mkdir(exist_ok=True, parents=True)
    for name, page in pages.items():
        (folder / f"{name}.html").write_text(page, encoding="utf-8")
        stage.console.print(f"{folder / name}.html: {len(page.encode()):,} bytes", highlight=False)


def _dead_letters(stage: Stage) -> int:
    with stage.client() as client:
        return int(client.query("SELECT count() FROM dead_letters FINAL").result_rows[0][0])
