from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.context import configure
from flows.fall_back import fall_back
from inference.registry import ModelStatus
from tests.flows.world import World

pytestmark = pytest.mark.stack


@pytest.fixture
def world(stack: Any, tmp_path: Path) -> Iterator[World]:
    """A world whose second champion replaced the first."""
    world = World(tmp_path)
    world.crown()
    second = world.register("second")
    world.registry.start_trial("punctual", second, by="ann", why="a trial")
    world.registry.promote("punctual", second, by="ann", why="better")
    configure(world.context)
    with temporary_settings({PREFECT_API_URL: stack.settings.prefect_api_url}):
        yield world


def test_the_champion_before_serves_again_once(world: World) -> None:
    assert fall_back("punctual", 2, "a1", "auc/punctual") == "version 1 serves again"
    assert world.registry.get("punctual", 1).status is ModelStatus.CHAMPION
    event = world.registry.history.events("punctual")[-1]
    assert (event.kind, event.by) == ("rolled_back", "monitoring")
    assert event.why == "version 2 does harm by auc/punctual (alert a1)"
    assert world.published[-1] == "rolled_back 1"
    assert "version 1 is champion now" in fall_back("punctual", 2, "a1", "auc/punctual")  # as after a kill
    assert world.registry.get("punctual", 1).status is ModelStatus.CHAMPION


def test_a_first_champion_has_nothing_to_fall_back_to(world: World) -> None:
    world.registry.rollback("punctual", by="ann", why="by hand")
    assert "needs a champion that replaced another" in fall_back("punctual", 1, "a2", "auc/punctual")
