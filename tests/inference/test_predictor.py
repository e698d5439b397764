import math
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from redis import Redis, RedisError

from features.types import Value
from inference.jobs import accept
from inference.models import OutageError
from inference.predictor import Predictor
from inference.records import Request
from inference.registry import ModelStatus, ServingConfig

from .onnx_models import classes, classifier, regressor, targets, trees
from .world import NOW, World, make_plan

REQUEST = Request(
    "r1",
    "late",
    entity_keys={"carrier": "AA", "route": "JFK|LAX"},
    inputs={"scheduled_at": 3_600_000 * 5, "distance": 1200, "unused": "x"},
)


def fill(world: World) -> None:
    world.put("carrier_delay", "AA", 7, arr_delay_mean_1h=2.5, count_1d=3, diverted_last=False)
    world.put("route_delay", "JFK|LAX", 1, arr_delay_mean_7d=-4.25)
    world.tick("carrier_delay")
    world.tick("route_delay")


def test_an_answer_has_all_that_went_into_it(world: World) -> None:
    fill(world)
    world.serve(regressor(6))
    ((result, problem, _),) = world.predictor.predict([REQUEST], "http")
    assert problem is None
    assert result.prediction == pytest.approx(3 + 2.5 - 4.25 + 5 + 1)
    assert result.feature_values_used.by_name() == {
        "carrier_delay.diverted_last": 0.0,
        "carrier_delay.count_1d": 3.0,
        "carrier_delay.arr_delay_mean_1h": 2.5,
        "route_delay.arr_delay_mean_7d": -4.25,
        "hour": 5.0,
        "far": 1.0,
    }
    assert result.inputs == {"scheduled_at": 3_600_000 * 5, "distance": 1200.0}
    assert [(row.seq, row.state, row.age_ms) for row in result.rows] == [
        (7, "fresh", 1_000),
        (1, "fresh", 1_000),
    ]
    assert (result.variant, result.model_version_used, result.door) == ("champion", 1, "http")
    assert (result.requested_at, result.predicted_at, result.error) == (NOW, NOW, None)
    assert result.deduplication_key == "carrier=AA|route=JFK\\|LAX|late|r1"
    assert 0 < result.latency.model < result.latency.total


@pytest.mark.parametrize(
    ("change", "kind", "text"),
    [
        ({"model_name": "early"}, "unknown-model", "nothing can answer for 'early'"),
        ({"model_version": 7}, "unknown-version", "there is no version 7; it has 1 alone"),
        (
            {"model_version": 1, "variant": "champion"},
            "version-and-variant",
            "names version 1 and the champion",
        ),
        ({"entity_keys": {"carrier": "AA"}}, "missing-entity", "the rows of 'route' cannot be found"),
        ({"entity_keys": {**REQUEST.entity_keys, "plane": "N1"}}, "wrong-entity", "'plane' would be ignored"),
        ({"entity_id": "AA"}, "wrong-entity", "this one has both"),
        ({"entity_id": "AA", "entity_keys": {}}, "wrong-entity", "carrier, route"),
        ({"inputs": {"distance": 1.0}}, "missing-input", "without 'scheduled_at'"),
        ({"inputs": {"scheduled_at": 1, "distance": "far"}}, "wrong-input", "of type double; .* from 'far'"),
        ({"inputs": {"scheduled_at": 1, "distance": math.nan}}, "wrong-input", "from nan"),
        ({"inputs": {"scheduled_at": 1.5, "distance": 1.0}}, "wrong-input", "ms since the epoch"),
        ({"inputs": {"scheduled_at": 2**70, "distance": 1.0}}, "wrong-input", "timestamp"),
        ({"inputs": {"scheduled_at": 10**18, "distance": 1.0}}, "wrong-input", "the years 1900 to 2299"),
        ({"inputs": {"scheduled_at": 1, "distance": True}}, "wrong-input", "from True"),
        ({"vector": [1.0, 2.0]}, "vector-length", "6 values; one of 2"),
    ],
)
def test_a_wrong_request_is_a_result_and_spoils_no_other(
    world: World, change: dict[str, Any], kind: str, text: str
) -> None:
    fill(world)
    world.serve()
    answers = world.predictor.predict([REQUEST, replace(REQUEST, **change), REQUEST], "kafka")
    assert [answer.problem for answer in answers] == [None, kind, None]
    result = answers[1].result
    assert result.prediction is None
    assert result.error is not None
    assert re.search(text, result.error)


class Swapping(list[Request]):
    """Requests of one call, between which another champion comes."""

    def __init__(self, requests: list[Request], swap: Callable[[], None]) -> None:
        super().__init__(requests)
        self.swap = swap

    def __iter__(self) -> Iterator[Request]:
        for request in super().__iter__():
            yield request
            self.swap()


def test_a_swap_leaves_no_call_with_answers_of_both_sides(world: World) -> None:
    fill(world)
    world.serve(regressor(6))
    world.register(regressor(6, 2.0))

    def swap() -> None:
        if world.registry.get("late", 2).status is not ModelStatus.CHAMPION:
            world.promote(2)
            world.models.refresh()

    before = world.models.variants("late").champion
    call = Swapping(
        [replace(REQUEST, request_id=f"r{n}", model_version=1 if n else None) for n in range(3)], swap
    )
    answers = world.predictor.predict(call, "http")
    assert [answer.result.model_version_used for answer in answers] == [1, 1, 1]
    assert {answer.job.model for answer in answers if answer.job is not None} == {before}
    (after,) = world.predictor.predict([REQUEST], "http")
    assert after.result.model_version_used == 2


def test_a_fault_in_one_request_is_its_result_and_spoils_no_other(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    fill(world)
    world.serve()
    job = accept(REQUEST, NOW, world.models.serving(), world.models)
    reader = job.model.reader
    compute, calls = reader.on_demand, iter((False, True, False))

    def faulty(inputs: Mapping[str, Value], stored: Mapping[str, Value], requested_at: int) -> list[float]:
        if next(calls):
            raise OverflowError("too far away")
        return compute(inputs, stored, requested_at)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "on_demand", faulty)
        answers = world.predictor.predict([REQUEST] * 3, "kafka")
    assert [answer.problem for answer in answers] == [None, "model-failed", None]
    assert answers[1].result.prediction is None
    assert "too far away" in (answers[1].result.error or "")
    assert [vars(line)["request_id"] for line in caplog.records] == [REQUEST.request_id]


def test_what_is_missing_is_nan_and_said_so(world: World) -> None:
    world.serve()
    ((result, problem, job),) = world.predictor.predict([REQUEST], "http")
    assert problem == "no-number"  # a logistic regression cannot do without
    assert result.error is not None
    assert "gave nan" in result.error
    assert job is not None
    assert [row.state for row in result.rows] == ["missing", "missing"]
    assert result.feature_values_used.by_name()["carrier_delay.count_1d"] is None


def test_a_ready_vector_needs_no_entity(world: World) -> None:
    world.serve(regressor(6))
    request = Request("r", "late", vector=[1.0, 2.0, 3.0, 4.0, 5.0, 6.5])
    ((result, _, _),) = world.predictor.predict([request], "http")
    assert result.prediction == pytest.approx(21.5)
    assert result.rows == []
    assert result.feature_values_used.by_name()["far"] == 6.5


def test_a_batch_is_one_multi_get(world: World) -> None:
    fill(world)
    world.serve()
    before = world.redis.info("commandstats")
    world.predictor.predict([REQUEST] * 50, "http")
    after = world.redis.info("commandstats")
    assert after["cmdstat_mget"]["calls"] - before.get("cmdstat_mget", {"calls": 0})["calls"] == 1
    assert "cmdstat_get" not in after


def test_on_demand_features_read_rows_and_the_requests_time_without_another_round_trip(world: World) -> None:
    fill(world)
    texts = {
        "double": "carrier_delay.count_1d * 2",
        "none": "case when route_delay.arr_delay_mean_7d is null then 1 else 0 end",
        "second": "extract(second from requested_at)",
    }
    world.promote(world.register(regressor(7), world.plan_on_demand(texts)).version)
    world.models.refresh()
    elsewhere = replace(REQUEST, entity_keys={"carrier": "AA", "route": "no|where"}, requested_at=NOW + 1_000)
    before = world.redis.info("commandstats")
    replayer = Predictor(world.models, world.redis, world.clock, True)
    found = [answer.result for answer in replayer.predict([REQUEST, elsewhere], "http")]
    after = world.redis.info("commandstats")
    assert after["cmdstat_mget"]["calls"] - before.get("cmdstat_mget", {"calls": 0})["calls"] == 1
    assert [[r.feature_values_used.by_name()[name] for name in texts] for r in found] == [
        [6.0, 0.0, 20.0],
        [6.0, 1.0, 21.0],
    ]


def test_time_is_the_clocks_unless_this_is_a_replay(world: World) -> None:
    fill(world)
    world.serve()
    request = replace(REQUEST, requested_at=NOW + 59_500)
    ((live, _, _),) = world.predictor.predict([request], "http")
    ((replayed, _, _),) = Predictor(world.models, world.redis, world.clock, True).predict([request], "http")
    assert (live.requested_at, live.rows[0].age_ms, live.rows[0].state) == (NOW, 1_000, "fresh")
    assert replayed.requested_at == NOW + 59_500
    assert (replayed.rows[0].age_ms, replayed.rows[0].state) == (60_500, "stale")


def test_a_group_that_refuses_when_stale_gives_no_prediction(world: World) -> None:
    fill(world)
    version = world.register(plan=make_plan(world.folder, on_stale="refuse"))
    world.promote(version.version)
    world.models.refresh()
    assert world.predictor.predict([REQUEST], "http")[0].problem is None
    world.now += 60_000
    answer = world.predictor.predict([REQUEST], "http")[0]
    assert answer.problem == "stale-features"
    assert answer.result.rows[0].state == "stale"


def test_a_group_that_falls_back_to_its_defaults_when_stale_answers_and_says_so(world: World) -> None:
    fill(world)
    plan = world.plan_filled("default", {"doubled": "coalesce(carrier_delay.arr_delay_mean_1h, 0) * 2"})
    defaults = replace(REQUEST, entity_keys={"carrier": "UA", "route": "JFK|LAX"})
    world.promote(world.register(regressor(5), plan).version)
    world.models.refresh()
    fresh, missing = (a.result for a in world.predictor.predict([REQUEST, defaults], "http"))
    assert fresh.prediction == pytest.approx(3 + 2.5 - 4.25 + 5)
    world.now += 60_000
    (stale,) = (a.result for a in world.predictor.predict([REQUEST], "http"))
    expected = {
        "carrier_delay.diverted_last": 1.0,
        "carrier_delay.count_1d": None,
        "carrier_delay.arr_delay_mean_1h": -0.5,
        "route_delay.arr_delay_mean_7d": -4.25,
        "doubled": -1.0,
    }
    assert stale.feature_values_used.by_name() == missing.feature_values_used.by_name() == expected
    assert [(r.seq, r.state, r.defaulted) for r in (stale.rows[0], missing.rows[0])] == [
        (7, "stale", True),
        (-1, "missing", True),
    ]


def test_a_shadow_with_other_defaults_reads_its_own_vector(world: World) -> None:
    fill(world)
    for on_stale in ("serve", "default"):
        world.register(regressor(4), world.plan_filled(on_stale, {}))
    world.promote(1)
    world.registry.start_trial("late", 2, by="t", why="t")
    world.models.refresh()
    world.now += 60_000
    (champion,) = answers = world.predictor.predict([REQUEST], "http")
    (shadow,) = world.predictor.shadow(answers)
    read = [
        r.feature_values_used.by_name()["carrier_delay.arr_delay_mean_1h"] for r in (champion.result, shadow)
    ]
    assert read == [2.5, -0.5]
    assert [r.rows[0].defaulted for r in (champion.result, shadow)] == [False, True]


def test_rows_of_another_layout_are_errors_of_their_own(world: World) -> None:
    fill(world)
    world.serve()
    world.redis.setrange("augury:carrier_delay:v1:AA", 0, b"\xff" * 8)
    vector = Request("v", "late", vector=[0.0] * 6)
    assert [a.problem for a in world.predictor.predict([REQUEST, vector], "http")] == ["wrong-layout", None]


def test_entities_stay_with_their_variant_and_versions_can_be_pinned(world: World) -> None:
    world.serve()
    world.register(classifier(6, 0.5))
    world.registry.set_serving_config(ServingConfig("late", 2, 0.3, None), by="ann", why="by hand")
    world.models.refresh()
    requests = [
        Request(f"{n}", "late", None, {"carrier": f"{n % 100}", "route": "a|b"}, None, REQUEST.inputs)
        for n in range(300)
    ]
    variants = [a.result.variant for a in world.predictor.predict(requests, "http")]
    assert variants[:100] == variants[100:200] == variants[200:]
    assert 10 <= variants[:100].count("challenger") <= 50
    pinned = replace(REQUEST, model_version=1)
    assert world.predictor.predict([pinned], "http")[0].result.variant == "pinned"


def test_a_named_variant_answers_and_is_no_part_of_a_trial(world: World) -> None:
    fill(world)
    world.serve(regressor(6))
    named = [replace(REQUEST, variant=variant) for variant in ("champion", "challenger", "shadow")]
    answers = world.predictor.predict(named, "http")
    assert [answer.problem for answer in answers] == [None, "no-such-variant", "no-such-variant"]
    assert "late has no challenger that is loaded" in (answers[1].result.error or "")
    for weight in (2.0, 3.0):
        world.register(regressor(6, weight))
    world.registry.set_serving_config(ServingConfig("late", 2, 0.0, 3), by="ann", why="by hand")
    world.models.refresh()
    answers = world.predictor.predict(named, "http")
    first = answers[0].result.prediction
    assert first is not None
    assert [a.result.model_version_used for a in answers] == [1, 2, 3]
    assert [a.result.prediction for a in answers] == pytest.approx([first, 2 * first, 3 * first])
    assert {a.result.variant for a in answers} == {"pinned"}
    assert world.predictor.shadow(answers) == []


def test_an_answer_has_all_outputs_and_the_class(world: World) -> None:
    fill(world)
    world.serve(targets(6, 3))
    ((result, _, _),) = world.predictor.predict([REQUEST], "http")
    assert result.prediction == pytest.approx(7.25)
    assert result.outputs == pytest.approx([7.25, 14.5, 21.75])
    assert result.predicted_class is None
    world.register(classes(6, [10, 20, 30]))
    ((result, _, _),) = world.predictor.predict([replace(REQUEST, model_version=2)], "http")
    assert (result.predicted_class, result.prediction) == ("30", max(result.outputs))
    ((refused, _, _),) = world.predictor.predict([Request("bad", "late")], "http")
    assert (refused.outputs, refused.predicted_class) == ([], None)


def test_a_request_to_explain_gets_contributions_and_others_none(world: World) -> None:
    fill(world)
    payload, booster = trees(6)
    world.register_trees(payload, booster)
    world.promote(1)
    world.register(regressor(6))
    world.registry.start_trial("late", 2, by="t", why="t")
    world.models.refresh()
    explained = replace(REQUEST, explain=True)
    answers = world.predictor.predict([REQUEST, explained], "kafka")
    plain, told = (answer.result for answer in answers)
    assert plain.explanation is None
    assert told.explanation is not None
    assert told.explanation.contributions.keys() == told.feature_values_used.by_name().keys()
    raw = told.explanation.bias + sum(told.explanation.contributions.values())
    assert told.prediction == plain.prediction == pytest.approx(1 / (1 + math.exp(-raw)), abs=1e-5)
    shadows = world.predictor.shadow(answers)  # which nobody asked to explain
    assert [(shadow.error, shadow.explanation) for shadow in shadows] == [(None, None)] * 2


def test_a_model_without_trees_explains_nothing(world: World) -> None:
    fill(world)
    world.serve(regressor(6))
    explained = replace(REQUEST, explain=True)
    ((result, problem, _),) = world.predictor.predict([explained], "http")
    assert (result.prediction, problem) == (None, "no-explainer")
    assert "late version 1 was registered without" in (result.error or "")


def test_trees_that_are_not_the_registered_ones_explain_nothing(world: World) -> None:
    fill(world)
    payload, booster = trees(6)
    uri = world.register_trees(payload, booster).signature["explainer"]["uri"]
    world.promote(1)
    world.models.refresh()
    requests = [REQUEST, replace(REQUEST, explain=True)]
    trees_file = Path(uri.removeprefix("file://"))
    kept = trees_file.read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.artifacts, "get", lambda *_: (_ for _ in ()).throw(ConnectionError("gone")))
        with pytest.raises(OutageError, match="late version 1 waits for a store"):
            world.predictor.predict(requests, "http")
    trees_file.write_bytes(b"other")
    plain, told = world.predictor.predict(requests, "http")
    assert (plain.problem, told.problem) == (None, "unloadable-explainer")
    assert (told.result.prediction, told.result.outputs, told.result.explanation) == (None, [], None)
    trees_file.write_bytes(kept)
    assert [answer.problem for answer in world.predictor.predict(requests, "http")] == [None, None]


def test_a_variant_that_waits_for_a_store_is_an_outage(world: World) -> None:
    world.serve()
    uri = world.register(classifier(6, 0.5)).artifact_uri
    world.registry.set_serving_config(ServingConfig("late", 2, 0.5, None), by="ann", why="by hand")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.artifacts, "get", lambda *_: (_ for _ in ()).throw(ConnectionError(uri)))
        world.models.refresh()
    with pytest.raises(OutageError, match="late waits for its challenger"):
        world.predictor.predict([replace(REQUEST, variant="challenger")], "http")


def test_the_shadow_sees_the_champions_vector(world: World) -> None:
    fill(world)
    world.serve(regressor(6))
    world.register(regressor(6, 2.0))
    world.registry.start_trial("late", 2, by="t", why="t")
    world.models.refresh()
    bad = Request("bad", "late")
    answers = world.predictor.predict([REQUEST, bad], "http")
    world.redis.flushall()
    (shadow,) = world.predictor.shadow(answers)
    champion = answers[0].result
    assert (shadow.variant, shadow.model_version_used, shadow.request_id) == ("shadow", 2, "r1")
    assert champion.prediction is not None
    assert shadow.prediction == pytest.approx(2 * champion.prediction)
    assert (shadow.rows, shadow.feature_values_used.by_name()) == (
        champion.rows,
        champion.feature_values_used.by_name(),
    )
    assert shadow.deduplication_key == champion.deduplication_key


def test_a_shadow_with_another_contract_reads_its_own_vector(world: World) -> None:
    fill(world)
    world.serve(regressor(6))
    world.register(regressor(7), make_plan(world.folder, extra=True))
    world.registry.start_trial("late", 2, by="t", why="t")
    world.models.refresh()
    answers = world.predictor.predict([REQUEST], "http")
    (shadow,) = world.predictor.shadow(answers)
    assert shadow.feature_values_used.by_name() == answers[0].result.feature_values_used.by_name() | {
        "near": 0.0
    }


def test_an_outage_of_the_store_is_not_an_answer(world: World) -> None:
    world.serve()
    with Redis(port=1) as nowhere, pytest.raises(RedisError):
        Predictor(world.models, nowhere, world.clock).predict([REQUEST], "http")


def test_one_row_of_another_layout_leaves_the_rest_of_its_batch(world: World) -> None:
    fill(world)
    world.serve()
    world.redis.set("augury:carrier_delay:v1:BB", b"\xff" * 80)
    other = Request("b", "late", entity_keys={**REQUEST.entity_keys, "carrier": "BB"}, inputs=REQUEST.inputs)
    good, bad, same = world.predictor.predict([REQUEST, other, REQUEST], "http")
    assert [a.problem for a in (good, bad, same)] == [None, "wrong-layout", None]
    assert good.result.feature_values_used.by_name() == same.result.feature_values_used.by_name()
    assert len(good.result.feature_values_used.by_name()) == 6
    assert bad.job is not None
    assert bad.job.vector is None
    assert bad.result.feature_values_used.by_name() == {}
