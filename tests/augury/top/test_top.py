import os
import pty
import signal
import subprocess
import sys
from contextlib import suppress
from functools import partial
from io import StringIO
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from redis import Redis
from rich.console import Console, RenderableType
from typer.testing import CliRunner

from augury.cli import app
from augury.settings import LOOPBACK, Settings, child_environment, free_ports
from augury.stack import Stack
from augury.top.frame import frame
from augury.top.look import Look
from augury.top.samples import Scrape
from features.layout import clock_key, pack_clock
from inference.metrics import Metrics
from inference.records import Request
from schemas.metrics import exposing, process_registry
from tests.inference.conftest import redis_url, world  # noqa: F401 (fixtures)
from tests.inference.onnx_models import regressor
from tests.inference.world import World

KEYS = {"carrier": "AA", "route": "JFK|LAX"}
INPUTS = {"scheduled_at": 3_600_000 * 5, "distance": 1200.0}


def text(drawn: RenderableType) -> list[list[str]]:
    """Give the lines of what is drawn, each as the words between its bars."""
    console = Console(width=160, file=StringIO())
    with console.capture() as captured:
        console.print(drawn)
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in captured.get().splitlines()]


def scrape(metrics: Metrics, at: float) -> Scrape:
    return Scrape.parse(generate_latest(metrics.registry).decode(), at)


def test_a_frame_has_rates_latencies_states_and_lag(world: World) -> None:  # noqa: F811
    world.put("carrier_delay", "AA", 7, arr_delay_mean_1h=2.5, count_1d=3, diverted_last=False)
    world.put("route_delay", "JFK|LAX", 1, arr_delay_mean_7d=-4.25)
    world.tick("carrier_delay")
    world.serve(regressor(6))
    metrics = Metrics(process_registry("http", "1"))
    metrics.watch_spool(lambda: (1_000, 12))
    clocks = {"carrier_delay.v1": 1_700_000_000_000}
    before = Look(1_700_000_004.0, {"http": scrape(metrics, 1_700_000_004.0)}, clocks, {})
    fine = Request("a", "late", entity_keys=KEYS, inputs=INPUTS)
    asked = [fine] * 8 + [Request("b", "late")] * 2
    metrics.answered("http", world.predictor.predict(asked, "http"))
    look = Look(1_700_000_008.0, {"http": scrape(metrics, 1_700_000_008.0)}, clocks, {"sink": 1_234})
    lines = text(frame(look, before))
    (request,) = [line for line in lines if line[:2] == ["http", "late"]]
    assert request[2:4] == ["2.0", "0.5"]
    assert 0 < float(request[4]) <= float(request[5])
    (group,) = [line for line in lines if line[:1] == ["carrier_delay.v1"]]
    assert group[3:] == ["8.0", "2.0", "0.0", "0.0"]
    (other,) = [line for line in lines if line[:1] == ["route_delay.v2"]]
    assert other[4:] == ["0.0", "2.0", "0.0"]
    (door,) = [line for line in lines if line[:2] == ["http", "up"]]
    assert door[5] == "12"
    (sink,) = [line for line in lines if line[:1] == ["sink"]]
    assert sink[1:3] == ["none", "1,234"]


def test_a_system_that_is_down_is_a_frame_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in Settings.with_free_ports(tmp_path).environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("COLUMNS", "160")
    done = CliRunner().invoke(app, ["top", "--once"])
    assert done.exit_code == 0, done.output
    assert "materialiser" in done.output


@pytest.mark.stack
def test_one_look_at_what_runs(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    (port,) = free_ports(1)
    settings = Settings(**{**stack.settings.model_dump(), "sink_metrics_port": port})
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("COLUMNS", "160")
    with Redis.from_url(settings.redis_url) as redis, exposing(process_registry("sink", "1"), LOOPBACK, port):
        redis.set(clock_key("looked_at", 3), pack_clock(1_700_000_000_000))
        done = CliRunner().invoke(app, ["top", "--once"])
    assert done.exit_code == 0, done.output
    assert "looked_at.v3" in done.output
    (sink,) = [line for line in done.output.splitlines() if "sink" in line]
    assert [cell.strip() for cell in sink.split("│")[1:4]] == ["sink", "up", "0"]


def test_ctrl_c_ends_it_in_peace(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "augury", "top", "--every", "0.2"]
    environment = child_environment(
        **Settings.with_free_ports(tmp_path).environment(), TERM="xterm", COLUMNS="160"
    )
    terminal, its_end = pty.openpty()
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # whoever runs the tests may ignore it
    process = subprocess.Popen(command, env=environment, stdout=its_end, stderr=its_end, preexec_fn=heard)
    os.close(its_end)
    shown = b""
    try:
        while b"materialiser" not in shown:
            shown += os.read(terminal, 1 << 16)
        process.send_signal(signal.SIGINT)
        with suppress(OSError):  # the other end is closed
            while True:
                shown += os.read(terminal, 1 << 16)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        os.close(terminal)
    assert b"Traceback" not in shown
