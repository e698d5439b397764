import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.context import configure
from flows.evaluate import evaluate, start_trial
from inference.registry import ModelStatus, ServingConfig
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
    begun, promoted = (
        json.loads(e.evidence) for e in world.registry.history.events("punctual") if e.evidence
    )
    assert "found 0" in begun["plan"]["warnings"][0]
    assert (promoted["rule"], promoted["n_units"]) == ("better", 20)
    assert promoted["ledger"]["labelled"] == 40
    assert promoted["policy"]["max_units"] == 500
    assert promoted["course"][-1][0] == 20
    kinds = {"trial-picture-punctual": "data:image/svg+xml;base64,", "trial-plan-punctual": "warning 1"}
    for key, said in kinds.items():
        answer = httpx.post(
            f"{stack.settings.prefect_api_url}/artifacts/filter", json={"artifacts": {"key": {"any_": [key]}}}
        )
        assert said in answer.json()[0]["data"]


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


def test_a_challenger_by_split_traffic_goes_from_staging_to_champion(tmp_path: Path, world: World) -> None:
    (tmp_path / "split").mkdir()
    split = World(tmp_path / "split", mode="split", share=0.1)
    configure(split.context)
    split.crown()
    version, waits = split.register("second"), split.register("third")
    assert start_trial("punctual", version) == "on trial"
    assert split.registry.serving_config("punctual") == ServingConfig("punctual", version, 0.1, None)
    assert "one trial runs at a time" in start_trial("punctual", waits)

    wrong, right = 0.1, 0.9  # the champion is right in half of the cases, the challenger always
    split.units = [
        (f"r{i}", None, right, 1.0) if i % 10 == 0 else (f"r{i}", right if i % 2 else wrong, None, 1.0)
        for i in range(500)
    ]
    assert evaluate("punctual", version, NOW) == "promoted"
    champion = split.registry.champion("punctual")
    assert champion is not None
    assert champion.version == version
    assert split.registry.serving_config("punctual") == ServingConfig("punctual", waits, 0.1, None)

    split.units = [(f"r{i}", None, right, 1.0) for i in range(100)]
    assert evaluate("punctual", waits, NOW) == "stopped"
    assert split.registry.get("punctual", waits).status is ModelStatus.REJECTED
    assert split.registry.serving_config("punctual") == ServingConfig("punctual")
    events = split.registry.history.events("punctual")
    promoted, stopped = (e for e in events if e.evidence and e.kind != "trial_started")
    assert '"rule": "better"' in (promoted.evidence or "")
    assert json.loads(stopped.evidence or "")["ledger"]["labelled"] == 100


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
