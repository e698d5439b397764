"""The last act of the watch, by the wall's clock: the weather of today, and a job that stands still."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from augury.apply import apply
from augury.clients import codec, warehouse
from augury.clock import wall_ms
from augury.commands.up import progress_of
from augury.settings import Settings
from augury.stack import Stack
from benchmarks.common import Result
from benchmarks.watch_today import origin_weather, weather_observed
from examples.flights.events import events
from features.alerts import RESOLVED
from features.project import Project, load_project
from schemas.log import producer
from streams.freshness import KIND
from streams.job import cancel, running
from warehouse.client import Client

NAME = "a job that stands still"
_PROJECT = "benchmarks.watch_today"
_YEAR = (1_356_998_400_000, 1_388_534_400_000)  # 2013
_EVERY_S, _PATIENCE_S = 0.3, 300.0
_FRESH = """
SELECT count() FROM group_clocks
WHERE dateDiff('second', online_clock, now64(3)) < 20 AND dateDiff('second', reported_at, now64(3)) < 20
"""
_STATES = """
SELECT count() FROM alerts AS a FINAL
WHERE kind = {kind:String} AND subject = {subject:String} AND ({state:String} = '' OR alert_id IN (
    SELECT alert_id FROM alert_states WHERE state = {state:String}))
"""


def stand_still(home: Path, console: Console) -> list[Result]:
    """Stop the weather's job until that is told, start it again, and give what was told, and when."""
    settings = Settings.with_free_ports(home)
    stack = Stack(settings)
    console.rule(NAME)
    try:
        with progress_of(console) as report:
            stack.up(report)
        project = load_project(_PROJECT)
        apply(project, settings)
        with progress_of(console) as report:
            stack.serve(_PROJECT, report)
        client = warehouse(settings)
        try:
            with _weather(settings, project), console.status("the weather of today") as status:
                return _stopped(client, project, settings, status.update)
        finally:
            client.close()
    finally:
        stack.down()


def _stopped(
    client: Client, project: Project, settings: Settings, say: Callable[[str], None]
) -> list[Result]:
    label = origin_weather.label

    def alerts(state: str = "") -> int:
        held = {"kind": KIND, "subject": label, "state": state}
        return int(client.query(_STATES, held).result_rows[0][0])

    say("until the readers see the weather of now")
    _until(lambda: bool(client.query(_FRESH).result_rows[0][0]))
    job = running(settings.flink_url, label)
    assert job is not None
    before, stopped = alerts(), time.monotonic()
    cancel(settings.flink_url, job)
    say("the job is stopped; until that is told")
    _until(lambda: alerts() > before)
    told = time.monotonic()
    ((verdict,),) = client.query(
        "SELECT JSONExtractString(evidence, 'verdict') FROM alerts FINAL"
    ).result_rows
    say("until it goes on, and that is told")
    apply(project, settings)
    started = time.monotonic()
    _until(lambda: alerts(RESOLVED) == alerts())
    figures: list[tuple[str, float | str, str]] = [
        ("false alarms", before, ""),
        ("alerts", alerts() - before, ""),
        ("subject", label, ""),
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


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"what follows on a job that stands still is told within {_PATIENCE_S:.0f} s")
        time.sleep(0.2)
