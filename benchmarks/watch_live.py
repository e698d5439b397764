"""The last act of the watch, by the wall's clock: the weather of today, and a job that stands still."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from augury.apply import apply
from augury.clients import codec
from augury.clock import wall_ms
from augury.demo.stage import Stage
from augury.settings import Settings
from benchmarks.common import Result
from benchmarks.watch_today import origin_weather, weather_observed
from examples.flights.events import events
from examples.flights.scenario import scenario
from features.alerts import RESOLVED
from features.project import Project, load_project
from schemas.log import producer
from streams.freshness import KIND
from streams.job import cancel, running
from warehouse.client import Client

NAME = "a job that stands still"
_PROJECT = "benchmarks.watch_today"
_YEAR = (1_356_998_400_000, 1_388_534_400_000)  # 2013
_EVERY_S = 0.3
_FRESH = """
SELECT count() FROM group_clocks
WHERE dateDiff('second', online_clock, now64(3)) < 20 AND dateDiff('second', reported_at, now64(3)) < 20
"""
_TOLD = "FROM alerts_with_state WHERE kind = {kind:String}"


def stand_still(home: Path, console: Console) -> list[Result]:
    """Stop the weather's job until that is told, start it again, and give what was told, and when."""
    settings = Settings.with_free_ports(home)
    stage = Stage(load_project(_PROJECT), scenario, settings, console)  # of whose acts none is played
    console.rule(NAME)
    try:
        stage.bring_up()
        with stage.client() as client, _weather(settings, stage.project):
            return _stopped(client, stage)
    finally:
        stage.stack.down()


def _stopped(client: Client, stage: Stage) -> list[Result]:
    label, flink = origin_weather.label, stage.settings.flink_url

    def alerts() -> tuple[int, int]:
        """Give how many there were, and how many of them are not resolved."""
        sql = f"SELECT count(), countIf(state != {{over:String}}) {_TOLD}"
        found, standing = client.query(sql, {"kind": KIND, "over": RESOLVED}).result_rows[0]
        return int(found), int(standing)

    with stage.console.status("until the readers see the weather of now"):
        stage.until(lambda: bool(client.query(_FRESH).result_rows[0][0]))
    job = running(flink, label)
    assert job is not None
    (before, _), stopped = alerts(), time.monotonic()
    cancel(flink, job)
    with stage.console.status("the job is stopped; until that is told"):
        stage.until(lambda: alerts()[0] > before)
    told = time.monotonic()
    shown = f"SELECT subject, JSONExtractString(evidence, 'verdict') {_TOLD}"
    ((subject, verdict),) = client.query(shown, {"kind": KIND}).result_rows
    with stage.console.status("until it goes on, and that is told"):
        apply(stage.project, stage.settings)
        started = time.monotonic()
        stage.until(lambda: alerts()[1] == 0)
    figures: list[tuple[str, float | str, str]] = [
        ("false alarms", before, ""),
        ("alerts", alerts()[0] - before, ""),
        ("subject", str(subject), ""),
        ("looks like", str(verdict), ""),
        ("told after", told - stopped, "s"),
        ("resolved after its start", time.monotonic() - started, "s"),
    ]
    return [Result(NAME, "Augury", *figure) for figure in figures]


def not_so(found: list[Result]) -> list[str]:
    """Say what is not as it must be; empty for a good run."""
    held = {r.metric: r.value for r in found if r.workload == NAME}
    wanted = {"false alarms": 0, "alerts": 1, "looks like": "stalled"}
    return [
        f"{NAME}: {name} {held[name]}, not {value}" for name, value in wanted.items() if held[name] != value
    ]


@contextmanager
def _weather(settings: Settings, project: Project) -> Iterator[None]:
    """Publish the observations of 2013, three a second, as those of now while inside."""
    source = project.source_plans[weather_observed.name]
    encode = codec(settings).encoder(source.name, source.avro)
    sender, stop = producer(settings.kafka_bootstrap, **settings.kafka_client()), threading.Event()

    def run() -> None:
        *_, observations = events(*_YEAR)
        for event in observations:
            record = {**event.record, source.event_time: wall_ms()}
            sender.produce(source.topic, key=event.key.encode(), value=encode(record))
            sender.poll(0)
            if stop.wait(_EVERY_S):
                return

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        sender.close()
