from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.context import configure
from flows.evaluate import evaluate, start_trial
from inference.registry import ModelStatus
from tests.flows.test_trial import LOSS, WIN
from tests.flows.world import NOW, World

pytestmark = pytest.mark.stack


@pytest.fixture
def world(tmp_path: Path, stack: Any) -> Iterator[World]:
    made = World(tmp_path)
    configure(made.context)
    with temporary_settings({PREFECT_API_URL: stack.settings.prefect_api_url}):
        yield made


def shadow(world: World) -> int | None:
    return world.registry.serving_config("punctual").shadow_model_version


def test_a_better_challenger_goes_from_staging_to_champion(world: World, stack: Any) -> None:
    world.crown()
    version = world.register("second")
    assert start_trial("punctual", version) == "on trial"
    assert start_trial("punctual", version) == "on trial"
    assert shadow(world) == version

    world.units = [(f"r{i}", *WIN) for i in range(10)]
    assert evaluate("punctual", version, NOW) == "goes on"
    world.units = [(f"r{i}", *WIN) for i in range(40)]
    assert evaluate("punctual", version, NOW + 1) == "promoted"
    champion = world.registry.champion("punctual")
    assert champion is not None
    assert champion.version == version
    assert evaluate("punctual", version, NOW + 2) == "its trial is not on"
    assert [e for e in world.published if e.endswith(f" {version}")] == [
        f"registered {version}",
        f"trial_started {version}",
        f"promoted {version}",
    ]
    answer = httpx.post(
        f"{stack.settings.prefect_api_url}/artifacts/filter",
        json={"artifacts": {"key": {"any_": ["trial-punctual"]}}, "sort": "CREATED_DESC"},
    )
    assert "20 of 20 discordant pairs" in answer.json()[0]["data"]


def test_a_worse_challenger_is_rejected_and_the_one_that_waits_gets_its_trial(world: World) -> None:
    first = world.crown()
    second, third = world.register("second"), world.register("third")
    assert start_trial("punctual", second) == "on trial"
    assert "one trial runs at a time" in start_trial("punctual", third)
    world.units = [(f"r{i}", *LOSS) for i in range(40)]
    assert evaluate("punctual", second, NOW) == "rejected"
    assert world.registry.get("punctual", second).status is ModelStatus.REJECTED
    assert shadow(world) == third
    champion = world.registry.champion("punctual")
    assert champion is not None
    assert champion.version == first


def test_without_a_champion_there_is_no_trial(world: World) -> None:
    version = world.register("first")
    assert "no champion" in start_trial("punctual", version)
    assert world.registry.get("punctual", version).status is ModelStatus.STAGING


def test_a_trial_ended_by_hand_makes_room_for_the_one_that_waits(world: World) -> None:
    world.crown()
    second, third = world.register("second"), world.register("third")
    assert start_trial("punctual", second) == "on trial"
    assert start_trial("punctual", None) == "none can start: there is no champion, or a trial is on"
    world.registry.reject("punctual", second, by="ann", why="by hand")
    assert start_trial("punctual", None) == f"version {third}: on trial"
    assert shadow(world) == third
    world.registry.reject("punctual", third, by="ann", why="by hand")
    assert start_trial("punctual", None) == "none waits"


def test_a_look_waits_for_a_warehouse_that_lags(world: World) -> None:
    asked: list[int] = []

    def wait(until: int) -> None:
        asked.append(until)
        world.units = [(f"r{i}", *WIN) for i in range(40)]
        if len(asked) == 1:
            raise TimeoutError("the warehouse lags")

    configure(replace(world.context, wait_for_warehouse=wait))
    world.crown()
    version = world.register("second")
    start_trial("punctual", version)
    assert evaluate("punctual", version, NOW) == "promoted"
    assert asked == [NOW, NOW]
