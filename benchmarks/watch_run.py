"""A run of the watch: history, a first model, live traffic, and a look at each day that is over."""

import time
from collections.abc import Mapping, Sequence

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
from flows.drift import DRIFT
from flows.monitor import MONITOR
from flows.runs import ENDED
from flows.triggers import FREEZE
from inference.registry import Registry
from schemas.log import backlog
from warehouse.client import Client

_DAY, _HOUR = 86_400_000, 3_600_000


def watch(stage: Stage, stretches: Sequence[Stretch]) -> list[Result]:
    """Play the stretches, look at each of their days, and give what was told of them."""
    started = time.monotonic()
    stage.prepare()
    stage.bring_up()
    held = registry(stage.settings)
    try:
        with stage.client() as client:
            stage.history(client)
            stage.first_model(client, held)
            asked, frozen = _live(stage, stretches, held)
            found = _reckon(stage, client, stretches, frozen)
            _report(stage, client, held)
    finally:
        held.close()
    whole = {"requests": asked, "dead letters": _dead_letters(stage), "duration": time.monotonic() - started}
    return found + [
        Result("the whole run", "Augury", name, figure, "s" if name == "duration" else "")
        for name, figure in whole.items()
    ]


def _live(stage: Stage, stretches: Sequence[Stretch], held: Registry) -> tuple[int, dict[str, list[str]]]:
    """Play the stretches; give how many requests there were, and what was frozen at the end of each."""
    frozen = dict[str, list[str]]()
    live = Live(stage.scenario, stage.project.group_plans, stage.project.source_plans, stage.settings)
    try:
        for stretch in stretches:
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
                    _look(stage, end)
            frozen[stretch.name] = _thaw(held, stage.scenario.model.name)
    finally:
        live.close()
    return live.traffic.http + live.traffic.kafka, frozen


def _thaw(held: Registry, model_name: str) -> list[str]:
    """Give what is frozen, and end it."""
    frozen = sorted(held.freezes.frozen().get(model_name, ()))
    for feature in frozen:
        held.freezes.thaw(model_name, feature, by="watch", why="the fault is over")
    return frozen


def _look(stage: Stage, end: int) -> None:
    """Let the flows look at the windows that end at a moment (ms), and wait for all that follows."""
    for flow in (DRIFT, MONITOR):
        key = f"{flow}/{end}"
        stage.ask(flow, {"at": end}, key)
        stage.until(lambda: stage.ended(flow, key))  # noqa: B023 (called at once)
    stage.until(lambda: backlog(stage.settings.kafka_bootstrap, "augury.bridge") == 0)
    stage.until(
        lambda: all(run["state_type"] in ENDED for run in (*stage.retrainings(), *stage.runs(FREEZE)))
    )


def _reckon(
    stage: Stage, client: Client, stretches: Sequence[Stretch], frozen: Mapping[str, list[str]]
) -> list[Result]:
    stage.until(stage.settled)
    alerts = read_alerts(client)
    for alert in alerts:
        stage.console.print(
            f"{moment(alert.at)} {alert.kind} {alert.severity} {alert.subject} {alert.looks_like} "
            f"{dict(alert.causes)}",
            markup=False,
        )
    retrainings = [run["parameters"]["at"] for run in stage.retrainings()]
    completed = sum(run["state_type"] == "COMPLETED" for run in stage.retrainings())
    stage.console.print(f"{len(retrainings)} retrainings were asked for, {completed} ended well")
    for name, features in frozen.items():
        stage.console.print(f"frozen in {name}: {', '.join(features) or 'nothing'}", markup=False)
    return [f for s in stretches for f in results(s, alerts, retrainings, frozen[s.name])]


def _report(stage: Stage, client: Client, held: Registry) -> None:
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
    folder = CACHE / "watch"
    folder.mkdir(exist_ok=True)
    for name, page in pages.items():
        (folder / f"{name}.html").write_text(page, encoding="utf-8")
        stage.console.print(f"{folder / name}.html: {len(page.encode()):,} bytes", highlight=False)


def _dead_letters(stage: Stage) -> int:
    with stage.client() as client:
        return int(client.query("SELECT count() FROM dead_letters FINAL").result_rows[0][0])
