import gc
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest

from inference.models import Models, OutageError
from inference.predictor import Predictor
from inference.records import Request, RequestError

from .onnx_models import classifier, regressor
from .world import World, make_plan


def test_a_promotion_swaps_the_champion(world: World) -> None:
    world.serve(regressor(6))
    old = world.models.variants("late").champion
    world.serve(regressor(6, 2.0))
    new = world.models.variants("late").champion
    assert old is not None
    assert new is not None
    assert (old.version, new.version) == (1, 2)
    vector = np.ones((1, 6))
    assert (old.onnx.predict(vector), new.onnx.predict(vector)) == (6.0, 12.0)
    gone = weakref.ref(old)
    del old
    gc.collect()
    assert gone() is None


def test_what_is_loaded_is_kept(world: World) -> None:
    world.serve()
    before = world.models.variants("late").champion
    world.models.refresh()
    assert world.models.variants("late").champion is before


@pytest.mark.parametrize("fault", ["tampered", "no model", "width", "signature"])
def test_a_version_that_cannot_be_loaded_leaves_the_old_one(world: World, fault: str) -> None:
    world.serve()
    payload = {"no model": b"nothing", "width": classifier(5)}.get(fault, classifier(6, 0.7))
    signature = {"signature": {"name": "late"}} if fault == "signature" else {}
    version = world.register(payload, **signature)
    if fault == "tampered":
        Path(version.artifact_uri.removeprefix("file://")).write_bytes(classifier(6, 9.0))
    world.promote(2)
    world.models.refresh()
    variants = world.models.variants("late")
    assert variants.champion is not None
    assert variants.champion.version == 1
    assert "late version 2 was not loaded" in variants.problems[0]
    with pytest.raises(RequestError, match="version 2"):
        world.models.version("late", 2)


def test_a_broken_shadow_does_not_hold_the_champion_up(world: World) -> None:
    world.serve()
    world.register(b"nothing")
    world.registry.start_trial("late", 2, by="t", why="t")
    world.models.refresh()
    variants = world.models.variants("late")
    assert variants.champion is not None
    assert variants.shadow is None
    assert len(variants.problems) == 1
    world.registry.reject("late", 2, by="t", why="t")
    world.models.refresh()
    assert world.models.variants("late").problems == ()


def test_any_registered_version_can_be_pinned(world: World) -> None:
    world.serve()
    world.register(plan=make_plan(world.folder, extra=True))
    assert world.models.version("late", 2).onnx.width == 7
    assert world.models.version("late", 2) is world.models.version("late", 2)
    with pytest.raises(RequestError) as caught:
        world.models.version("late", 3)
    assert caught.value.kind == "unknown-version"


def test_before_the_first_promotion_there_is_no_champion(world: World) -> None:
    world.register()
    world.models.refresh()
    answer = world.predictor.predict([Request("r", "late")], "http")[0]
    assert answer.problem == "no-champion"
    assert Models(world.registry, world.artifacts).names() == []


def test_requests_and_swaps_at_once(world: World) -> None:
    world.serve(regressor(6))
    stop = threading.Event()
    found: set[tuple[int | None, float | None]] = set()

    def ask() -> None:
        while not stop.is_set():
            result = world.predictor.predict([Request("r", "late", vector=[1.0] * 6)], "http")[0].result
            found.add((result.model_version_used, result.prediction))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for version in range(2, 8):
        world.serve(regressor(6, float(version)))
    stop.set()
    for thread in threads:
        thread.join()
    assert found
    assert all(version is not None and value == 6.0 * version for version, value in found)


def test_an_outage_of_a_store_is_no_final_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.serve(regressor(6))
    world.register(regressor(6, 2.0))

    def down(*_: object) -> bytes:
        raise ConnectionError("no route")

    with monkeypatch.context() as outage:
        outage.setattr(world.artifacts, "get", down)
        with pytest.raises(OutageError, match=r"version 2 waits.*no route"):
            world.models.version("late", 2)
        begun = Models(world.registry, world.artifacts)  # a process that starts in the outage
        begun.refresh()
        assert begun.variants("late").outage
        predictor = Predictor(begun, world.redis, world.clock)
        request = Request("r", "late", vector=[1.0] * 6)
        with pytest.raises(OutageError, match="waits for its champion"):
            predictor.predict([request], "kafka")
    begun.refresh()
    assert predictor.predict([request], "kafka")[0].result.prediction == 6.0
    assert world.models.version("late", 2).version == 2
