import gc
import threading
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from features.layout import clock_key, pack_clock
from inference.models import Models, OutageError
from inference.predictor import Predictor
from inference.records import Request, RequestError, Result

from .onnx_models import classifier, naming, regressor
from .world import NOW, World, make_plan, next_version


def test_a_promotion_swaps_the_champion(world: World) -> None:
    world.serve(regressor(6))
    old = world.models.variants("late").champion
    world.serve(regressor(6, 2.0))
    new = world.models.variants("late").champion
    assert old is not None
    assert new is not None
    assert (old.version, new.version) == (1, 2)
    vector = np.ones((1, 6))
    assert (old.onnx.predict(vector).scores, new.onnx.predict(vector).scores) == (6.0, 12.0)
    gone = weakref.ref(old)
    del old
    gc.collect()
    assert gone() is None


def test_what_is_loaded_is_kept(world: World) -> None:
    world.serve()
    before = world.models.variants("late").champion
    world.models.refresh()
    assert world.models.variants("late").champion is before


def test_a_file_that_states_the_names_of_its_contract_is_served(world: World) -> None:
    world.serve(naming(classifier(6), world.plan.names))
    champion = world.models.variants("late").champion
    assert champion is not None
    assert champion.onnx.vector == champion.plan.names


@pytest.mark.parametrize("fault", ["tampered", "no model", "width", "order", "more names", "signature"])
def test_a_version_that_cannot_be_loaded_leaves_the_old_one(world: World, fault: str) -> None:
    world.serve()
    turned = naming(classifier(6), (*world.plan.names[1:], world.plan.names[0]))
    more = naming(classifier(6), (*world.plan.names, "another"))
    files = {"no model": b"nothing", "width": classifier(5), "order": turned, "more names": more}
    payload = files.get(fault, classifier(6, 0.7))
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
    anew = Models(world.registry, world.artifacts)  # a process that starts now
    anew.refresh()
    begun = anew.variants("late")
    assert begun.champion is not None
    assert begun.champion.version == 1
    assert begun.problems == variants.problems
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


def test_a_retired_champion_answers_nothing_more(world: World) -> None:
    world.serve()
    world.registry.retire("late", 1, by="t", why="t")
    world.models.refresh()
    assert world.predictor.predict([Request("r", "late")], "http")[0].problem == "no-champion"
    world.registry.rollback("late", by="t", why="t")
    world.models.refresh()
    champion = world.models.variants("late").champion
    assert champion is not None
    assert champion.version == 1


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


@pytest.mark.parametrize("version", [2, 9])
def test_what_could_not_be_fetched_is_told_without_asking_again(
    world: World, monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    world.serve()
    world.register(b"nothing")
    asked: list[int] = []
    get = world.registry.get
    monkeypatch.setattr(world.registry, "get", lambda name, n: (asked.append(n), get(name, n))[1])
    world.models.fetch("late", version)
    for _ in range(2):
        with pytest.raises(RequestError, match=f"version {version}|late {version}"):
            world.models.version("late", version)
    assert asked == [version]
    world.models.fetch("late", version)  # the next one is asked anew
    assert asked == [version, version]


def test_a_file_that_may_not_be_read_is_no_outage(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.serve()
    world.register(regressor(6))

    def forbidden(*_: object) -> bytes:
        raise PermissionError("nobody may read it")

    monkeypatch.setattr(world.artifacts, "get", forbidden)
    with pytest.raises(RequestError, match="version 2 cannot answer: nobody may read it"):
        world.models.version("late", 2)


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


def asked(world: World, model: str = "late", version: int | None = None) -> Result:
    keys = {"carrier": "AA", "route": "JFK|LAX"}
    inputs = {"scheduled_at": NOW, "distance": 900.0}
    request = Request("r", model, version, entity_keys=keys, inputs=inputs)
    return world.predictor.predict([request], "http")[0].result


def read(result: Result) -> tuple[list[tuple[str, int, int]], float | None]:
    rows = [(row.group, row.version, row.seq) for row in result.rows]
    return rows, result.feature_values_used.by_name()["carrier_delay.count_1d"]


def test_a_cut_over_of_a_group_moves_every_model_at_once(world: World) -> None:
    target = next_version(world)
    for name, seq, n in (("carrier_delay", 7, 70), ("next", 3, 30)):
        world.put(name, "AA", seq, diverted_last=True, count_1d=n, arr_delay_mean_1h=1.5)
    for version in (1, 2):
        world.redis.set(clock_key("carrier_delay", version), pack_clock(NOW - 1_000))
    world.put("route_delay", "JFK|LAX", 4, arr_delay_mean_7d=2.0)
    world.serve()
    second = replace(world.plan, name="second")
    world.register(plan=second)
    world.registry.promote("second", 1, by="t", why="t")
    world.register()
    world.models.refresh()
    old, new = ([("carrier_delay", v, s), ("route_delay", 2, 4)] for v, s in ((1, 7), (2, 3)))
    everyone = [("late", None), ("late", 2), ("second", None)]  # a pinned one too
    assert [read(asked(world, *who)) for who in everyone] == [(old, 70.0)] * 3
    loaded = world.models.variants("late").champion

    world.registry.cutovers.cut_over(1, target, by="t", why="t")
    assert read(asked(world)) == (old, 70.0)  # until it is told
    world.models.refresh_one("late")  # one event moves them all
    assert [read(asked(world, *who)) for who in everyone] == [(new, 30.0)] * 3
    answer = asked(world)
    assert answer.prediction is not None
    assert answer.feature_values_used.by_name()["carrier_delay.diverted_last"] == 1.0
    assert answer.rows[0].state == "fresh"
    moved = world.models.variants("late").champion
    assert loaded is not None
    assert moved is not None
    assert moved.onnx is loaded.onnx  # the file was not loaded again

    world.put("carrier_delay", "AA", 9, count_1d=90)  # its stream has gone on
    world.registry.cutovers.roll_back("carrier_delay", by="t", why="t")
    world.models.refresh_one("second")
    back = [("carrier_delay", 1, 9), ("route_delay", 2, 4)]
    assert [read(asked(world, *who)) for who in everyone] == [(back, 90.0)] * 3


def test_a_model_that_comes_later_and_reads_what_is_not_there_is_not_loaded(world: World) -> None:
    target = next_version(world)
    lacking = replace(target, features=target.features[1:])
    world.registry.cutovers.cut_over(1, lacking, by="t", why="t")
    world.serve()
    variants = world.models.variants("late")
    assert variants.champion is None
    assert "late reads diverted_last (boolean) of carrier_delay.v1" in variants.problems[0]
    assert not variants.outage
    world.registry.cutovers.roll_back("carrier_delay", by="t", why="t")
    world.models.refresh()
    assert world.models.variants("late").champion is not None


FROZEN = "carrier_delay.arr_delay_mean_1h"


def test_a_frozen_feature_is_at_its_default_for_all_versions_of_its_model_alone(world: World) -> None:
    filled = world.plan_filled("serve", {"twice": f"{FROZEN} * 2"})
    world.put("carrier_delay", "AA", 7, diverted_last=True, count_1d=3, arr_delay_mean_1h=2.5)
    world.put("route_delay", "JFK|LAX", 4, arr_delay_mean_7d=2.0)
    for plan in (filled, filled, replace(filled, name="second")):
        world.register(plan=plan)
    for name in ("late", "second"):
        world.registry.promote(name, 1, by="t", why="t")
    world.models.refresh()
    everyone = [("late", None), ("late", 2), ("second", None)]  # a pinned one too

    def told() -> list[tuple[tuple[str, ...], float | None, float | None]]:
        results = [asked(world, *who) for who in everyone]
        return [
            (r.frozen, r.feature_values_used.by_name()[FROZEN], r.feature_values_used.by_name()["twice"])
            for r in results
        ]

    held = ((), 2.5, 5.0)
    assert told() == [held] * 3
    loaded = world.models.variants("late").champion
    assert world.registry.freezes.freeze("late", FROZEN, by="t", why="t")
    assert told() == [held] * 3  # until it is told
    world.models.refresh_one("late")
    assert told() == [((FROZEN,), -0.5, -1.0)] * 2 + [held]
    moved = world.models.variants("late").champion
    assert loaded is not None
    assert moved is not None
    assert moved.onnx is loaded.onnx  # the file was not loaded again
    world.models.refresh()
    assert world.models.variants("late").champion is moved
    ready = Request("v", "late", vector=[1.0] * 5)
    assert world.predictor.predict([ready], "http")[0].result.frozen == ()

    assert world.registry.freezes.thaw("late", FROZEN, by="t", why="t")
    world.models.refresh_one("second")  # of another model; the next look at all is soon enough
    world.models.refresh()
    assert told() == [held] * 3
