from pathlib import Path

import numpy as np
import pytest

from augury.settings import Settings
from benchmarks.common import Result
from benchmarks.serving import failed, workload
from benchmarks.serving_cases import LARGE, MIDDLE, SMALL, Shape, draws, records, values
from benchmarks.serving_goals import goals
from benchmarks.serving_runs import compared
from benchmarks.serving_systems import ASGI, AUGURY, FEAST, Found, feast, nullable
from benchmarks.serving_world import World
from features.layout import Layout
from features.project import load_project
from tests.inference.onnx_models import classifier

PLANS = load_project("benchmarks.serving_cases").model_plans


@pytest.fixture
def world(tmp_path: Path) -> World:
    plan = PLANS[MIDDLE.model]
    rows = [values(group.features, number, 100) for number, group in enumerate(plan.groups)]
    made = World(Settings(home=tmp_path), 100, {MIDDLE: plan}, {MIDDLE: np.concatenate(rows, axis=1)})
    made.onnx(MIDDLE).write_bytes(classifier(50, 1e-6))
    return made


@pytest.mark.parametrize("shape", [SMALL, MIDDLE, LARGE])
def test_a_model_has_the_width_of_its_shape(shape: Shape) -> None:
    plan = PLANS[shape.model]
    assert (len(plan.names), len(plan.groups)) == (shape.features, shape.groups)


def test_the_rows_in_redis_hold_what_is_expected_of_them() -> None:
    group = PLANS[MIDDLE.model].groups[0]
    made = values(group.features, 0, 100)
    assert np.isnan(made).sum() == 2
    layout = Layout.of(group)
    for row, record in zip(nullable(made), records(group.features, made, 5), strict=True):
        assert layout.values(layout.pack(record), group.positions) == row


def test_some_keys_have_no_rows_and_some_entities_lack_a_value(world: World) -> None:
    asked = [entity for request in draws(100, 10, 100) for entity in request]
    assert 0 < sum(entity >= 100 for entity in asked) < 50
    assert world.whole(MIDDLE, [0, 1, 50, 99, 100]) == [1, 99]


def differing(world: World, entities: list[int], found: Found) -> float:
    held = {r.metric: r.value for r in compared(world, MIDDLE, "work", "system", [(entities, found)])}
    assert held["values compared"]
    return float(held["differences"])


def test_a_value_a_prediction_or_an_entity_that_is_not_as_it_should_be_is_found(world: World) -> None:
    whole = [1, 2, 3]
    vectors, predictions = nullable(world.vectors(MIDDLE, whole)), world.predictions(MIDDLE, whole)
    assert differing(world, whole, Found(predictions, vectors)) == 0
    assert differing(world, whole, Found(predictions, None)) == 0
    assert differing(world, whole, Found(None, None)) == 3
    assert differing(world, whole, Found([predictions[0] + 1e-9, *predictions[1:]], vectors)) == 1
    assert differing(world, whole, Found(predictions[:2], vectors[:2])) == 1 + 50


def test_a_null_is_a_value_too(world: World) -> None:
    some = [1, 0, 200]
    vectors = nullable(world.vectors(MIDDLE, some))
    assert differing(world, some, Found(None, vectors)) == 0
    assert differing(world, some, Found(None, [vectors[0], [0.0, *vectors[1][1:]], vectors[2]])) == 1


def test_feast_is_read_by_the_names_of_its_columns(world: World) -> None:
    names = [name.replace(".", "__") for name in world.plans[MIDDLE].names]
    columns = [{"values": [float(place), None]} for place in range(50)]
    answer = {
        "metadata": {"feature_names": ["card", *reversed(names)]},
        "results": [{"values": ["card-1", "card-2"]}, *reversed(columns)],
    }
    expected = [[float(place) for place in range(50)], [None] * 50]
    assert feast(world, MIDDLE).read(answer) == Found(None, expected)


def test_a_goal_is_held_to_the_figures_of_its_own_workload() -> None:
    one, ten = (workload(10_000, MIDDLE, batch) for batch in (1, 10))
    held = [
        Result(one, AUGURY, "requests", 700.0, "1/s"),
        Result(one, FEAST, "requests", 100.0, "1/s"),
        Result(ten, AUGURY, "requests", 700.0, "1/s"),
        Result(ten, FEAST, "requests", 100.0, "1/s"),
        Result(one, AUGURY, "p50 alone", 3.2, "ms"),
        Result(one, ASGI, "p50 alone", 2.0, "ms"),
    ]
    met = [(r.workload, r.value) for r in goals(held) if r.metric == "met"]
    assert met == [(one, "yes"), (one, "no"), (ten, "no")]


def test_cost_by_features_is_held_to_five_times_that_of_a_fifth_of_them() -> None:
    wide, narrow = (workload(10_000, shape, 1) for shape in (LARGE, MIDDLE))
    held = [Result(work, AUGURY, "CPU of 1,000 requests", s, "s") for work, s in ((narrow, 1.0), (wide, 4.0))]
    assert [(r.workload, r.value) for r in goals(held) if r.metric in ("found", "met")] == [
        (wide, 4.0),
        (wide, "yes"),
    ]


@pytest.mark.parametrize(
    ("metric", "value", "fails"),
    [("differences", 0, False), ("differences", 1, True), ("errors", 1, True), ("unanswered", 1, False)],
)
def test_it_fails_where_values_differ_or_requests_do(metric: str, value: int, fails: bool) -> None:
    held = [Result("work", AUGURY, "values compared", 10, ""), Result("work", AUGURY, metric, value, "")]
    assert failed(held) is fails


def test_it_fails_where_a_system_was_not_compared() -> None:
    held = [Result("work", AUGURY, "values compared", 10, "")]
    assert not failed(held)
    assert failed([*held, Result("work", FEAST, "requests", 1.0, "1/s")])
    assert failed([])
