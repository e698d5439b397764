"""Load on the real doors, and single questions to them, by the commands."""

import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import Result
from redis import Redis
from typer.testing import CliRunner

from augury.cli import app
from augury.settings import Settings, free_ports
from augury.stack import Stack
from tests.inference.onnx_models import regressor, trees
from tests.inference.processes import HTTP, WORKER, prepare, running
from tests.inference.world import make_world

pytestmark = pytest.mark.stack


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


@pytest.fixture(scope="module")
def door(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Both doors with a model, `late`, whose rows the online store has; and the settings that name them."""
    folder = tmp_path_factory.mktemp("doors")
    addresses = prepare(stack.settings, folder)
    given = {**stack.settings.model_dump(), "registry_database_url": addresses.registry}
    settings = Settings(**{**given, "http_port": free_ports(1)[0], "artifacts_url": addresses.artifacts})
    with Redis.from_url(addresses.redis) as redis:
        world = make_world(folder, redis)
        world.serve(regressor(6))
        world.register_trees(*trees(6))
        for carrier in ("AA", "UA"):
            world.put("carrier_delay", carrier, 7, arr_delay_mean_1h=2.5, count_1d=3, diverted_last=False)
        world.put("route_delay", "JFK|LAX", 1, arr_delay_mean_7d=-4.25)
    arguments = (str(settings.http_port), str(folder / "spool"))
    group = f"worker-{folder.name}"
    worker = running(WORKER, addresses, group, str(folder / "batches"))
    with running(HTTP, addresses, *arguments), worker:
        deadline = time.monotonic() + 60
        while not is_ready(settings):
            assert time.monotonic() < deadline
        yield settings
    world.registry.close()


def is_ready(settings: Settings) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{settings.http_port}/readyz").is_success
    except httpx.TransportError:
        return False


@pytest.fixture(autouse=True)
def _environment(door: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in door.environment().items():
        monkeypatch.setenv(name, value)


def loaded(*words: str) -> dict[str, Any]:
    done = run("load", *words, "--json")
    assert done.exit_code == 0, done.output
    return dict(json.loads(done.stdout))


def test_a_closed_loop_asks_as_often_as_the_door_answers(tmp_path: Path) -> None:
    picture = tmp_path / "run.html"
    found = loaded("late", "--seconds", "1", "--at-once", "4", "--picture", str(picture))
    assert found["errors"] == {}
    assert found["answered"] > 4
    assert found["per_second"] == pytest.approx(found["answered"] / found["seconds"])
    assert 0 < found["ms"]["p50"] <= found["ms"]["p99.9"] <= found["ms"]["max"]
    assert "<svg" in picture.read_text()


def test_an_open_loop_asks_at_its_rate(tmp_path: Path) -> None:
    found = loaded("late", "--seconds", "2", "--rate", "20", "--at-once", "40")
    assert (found["answered"], found["errors"]) == (40, {})


def test_requests_of_a_file_go_to_kafka(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    path.write_text(json.dumps({"model_name": "late", "vector": [1.0] * 6}))
    found = loaded("--requests", str(path), "--seconds", "1", "--rate", "30", "--kafka")
    assert (found["answered"], found["errors"]) == (30, {})


def test_errors_are_told_by_their_kind(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    path.write_text('{"model_name": "early"}\n{"model_name": "late", "vector": [1]}\n')
    done = run("load", "--requests", str(path), "--seconds", "1", "--rate", "10", "--json")
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert (found["answered"], found["ms"]) == (0, {})
    assert found["errors"] == {"unknown-model": 5, "vector-length": 5}


def test_a_model_without_a_champion_is_told() -> None:
    done = run("load", "early")
    assert done.exit_code == 1
    assert "'early' has none" in done.output


@pytest.mark.parametrize("door_of_it", [[], ["--kafka"]], ids=["http", "kafka"])
def test_one_question(door_of_it: list[str]) -> None:
    values = ["carrier=AA", "route=JFK|LAX", "scheduled_at=1970-01-01T05:00:00Z", "distance=1200"]
    done = run("predict", "late", *values, *door_of_it)
    assert done.exit_code == 0, done.output
    assert "7.25" in done.output
    assert "carrier_delay.arr_delay_mean_1h" in done.output
    told = json.loads(run("predict", "late", *values, "--request-id", "mine", *door_of_it, "--json").stdout)
    assert (told["prediction"], told["request_id"]) == (pytest.approx(7.25), "mine")
    assert set(told["latency_ms"]) == {"features", "on_demand", "model", "total"}


@pytest.mark.parametrize("door_of_it", [[], ["--kafka"]], ids=["http", "kafka"])
def test_who_answers_may_be_named_and_what_made_the_answer_shown(door_of_it: list[str]) -> None:
    values = ["carrier=AA", "route=JFK|LAX", "scheduled_at=1970-01-01T05:00:00Z", "distance=1200"]
    told = run("predict", "late", *values, *door_of_it, "--variant", "champion").output
    assert "version 1 (pinned)" in told
    asked = ["predict", "late", *values, *door_of_it, "--version", "2", "--explain"]
    shown = run(*asked).output
    assert "contribution" in shown
    assert "bias" in shown
    found = json.loads(run(*asked, "--json").stdout)
    raw = found["explanation"]["bias"] + sum(found["explanation"]["contributions"].values())
    assert found["prediction"] == pytest.approx(1 / (1 + math.exp(-raw)), abs=1e-5)


def test_a_question_that_is_wrong_is_told() -> None:
    assert "unknown-model: " in run("predict", "early").output
    assert "missing-input: " in run("predict", "late", "carrier=AA", "route=x").output
    assert "'speed=1' is not" in run("predict", "late", "speed=1").output
