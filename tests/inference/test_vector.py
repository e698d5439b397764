import numpy as np
import pytest

from features.freezing import freeze
from features.layout import LayoutMismatchError
from features.types import Value
from features.vector import ModelPlan
from inference.records import VectorRow
from inference.runtime import Matrix
from inference.vector import VectorReader

from .world import NOW, World

ENTITIES = {"carrier": "AA", "route": "JFK|LAX"}


def read(world: World, *entities: dict[str, str]) -> tuple[Matrix, list[list[VectorRow]]]:
    return read_all(world, world.plan, *entities)[:2]


def read_all(
    world: World, plan: ModelPlan, *entities: dict[str, str]
) -> tuple[Matrix, list[list[VectorRow]], list[dict[str, Value]]]:
    reader = VectorReader(plan)
    values = world.redis.mget(reader.keys(entities))
    return reader.read(list(entities), [NOW] * len(entities), values)


def test_vectors_come_from_the_store_in_the_models_order(world: World) -> None:
    world.put("carrier_delay", "AA", 7, arr_delay_mean_1h=2.5, count_1d=3, diverted_last=True, dest_last="é")
    world.put("carrier_delay", "UA", 9, arr_delay_mean_1h=None, count_1d=0, dest_last="LAX")
    world.put("route_delay", "JFK|LAX", 1, arr_delay_mean_7d=-4.25)
    world.tick("carrier_delay")
    matrix, rows = read(world, ENTITIES, {"carrier": "UA", "route": "no|where"})
    assert world.plan.names[:4] == (
        "carrier_delay.diverted_last",
        "carrier_delay.count_1d",
        "carrier_delay.arr_delay_mean_1h",
        "route_delay.arr_delay_mean_7d",
    )
    np.testing.assert_array_equal(matrix, [[1.0, 3.0, 2.5, -4.25], [np.nan, 0.0, np.nan, np.nan]])
    assert [[(r.group, r.version, r.entity, r.event_timestamp, r.seq) for r in v] for v in rows] == [
        [("carrier_delay", 1, "AA", NOW - 5_000, 7), ("route_delay", 2, "JFK|LAX", NOW - 5_000, 1)],
        [("carrier_delay", 1, "UA", NOW - 5_000, 9), ("route_delay", 2, "no|where", 0, -1)],
    ]


@pytest.mark.parametrize(
    ("lag", "state"), [(-1_000, "fresh"), (0, "fresh"), (60_000, "fresh"), (60_001, "stale"), (None, "stale")]
)
def test_the_groups_clock_judges_and_not_the_rows_age(world: World, lag: int | None, state: str) -> None:
    world.put("carrier_delay", "AA", at=NOW - 10**9)
    if lag is not None:
        world.tick("carrier_delay", NOW - lag)
    _, (rows,) = read(world, ENTITIES)
    assert (rows[0].state, rows[0].age_ms) == (state, None if lag is None else max(0, lag))
    assert rows[1].state == "missing"


def test_a_row_of_another_layout_is_not_read(world: World) -> None:
    world.put("carrier_delay", "AA")
    key = VectorReader(world.plan).keys([ENTITIES])[0]
    world.redis.setrange(key, 0, b"\xff" * 8)
    with pytest.raises(LayoutMismatchError):
        read(world, ENTITIES)


def test_on_demand_features_are_numbers(world: World) -> None:
    reader = VectorReader(world.plan)
    found = reader.on_demand({"scheduled_at": 3_600_000 * 5, "distance": 1000.5}, {}, NOW)
    np.testing.assert_array_equal(found, [5.0, 1.0])
    found = reader.on_demand({"scheduled_at": None, "distance": 1.0}, {}, NOW)
    np.testing.assert_array_equal(found, [np.nan, 0.0])


def test_what_on_demand_features_read_of_the_rows_comes_exact_and_by_name(world: World) -> None:
    plan = world.plan_on_demand(
        {
            "more": f"carrier_delay.count_1d - {2**53}",
            "later": "route_delay.arr_delay_mean_7d + 1",
            "home": "carrier_delay.dest_last = 'é'",  # text, which the vector itself cannot hold
        }
    )
    world.put("carrier_delay", "AA", count_1d=2**53 + 1, dest_last="é")
    world.put("route_delay", "JFK|LAX", arr_delay_mean_7d=0.5)
    missing = {"carrier": "UA", "route": "no|where"}
    _, _, stored = read_all(world, plan, ENTITIES, missing)
    assert stored == [
        {
            "carrier_delay.count_1d": 2**53 + 1,
            "carrier_delay.dest_last": "é",
            "route_delay.arr_delay_mean_7d": 0.5,
        },
        dict.fromkeys(stored[0]),
    ]
    reader = VectorReader(plan)
    np.testing.assert_array_equal(reader.on_demand({}, stored[0], NOW), [1.0, 1.5, 1.0])
    np.testing.assert_array_equal(reader.on_demand({}, stored[1], NOW), [np.nan] * 3)


def test_on_demand_features_read_the_requests_time(world: World) -> None:
    plan = world.plan_on_demand(
        {"soon": "scheduled_at < requested_at", "hour": "extract(hour from requested_at)"}
    )
    reader = VectorReader(plan)
    at = 3_600_000 * 7
    np.testing.assert_array_equal(reader.on_demand({"scheduled_at": at}, {}, at), [0.0, 7.0])
    np.testing.assert_array_equal(reader.on_demand({"scheduled_at": at - 1}, {}, at), [1.0, 7.0])


def test_on_demand_features_read_the_time_of_a_row(world: World) -> None:
    plan = world.plan_on_demand(
        {"age": "cast(requested_at as bigint) - cast(route_delay.event_timestamp as bigint)"}
    )
    world.put("route_delay", "JFK|LAX")
    _, rows, stored = read_all(world, plan, ENTITIES, {"carrier": "AA", "route": "no|where"})
    at = next(row.event_timestamp for row in rows[0] if row.group == "route_delay")
    assert stored == [{"route_delay.event_timestamp": at}, {"route_delay.event_timestamp": None}]
    reader = VectorReader(plan)
    assert reader.on_demand({}, stored[0], at + 250) == [250.0]
    np.testing.assert_array_equal(reader.on_demand({}, stored[1], at), [np.nan])


READ = {
    "home": "carrier_delay.dest_last = 'é'",
    "twice": "carrier_delay.arr_delay_mean_1h * 2",
    "seen": "carrier_delay.event_timestamp is not null",
}
ROW = {"arr_delay_mean_1h": 2.5, "count_1d": 3, "diverted_last": False, "dest_last": "LAX"}


def read_filled(world: World, on_stale: str, lag: int) -> tuple[list[list[float]], list[list[VectorRow]]]:
    """The vectors of a carrier with a row, and of one without, the carriers' clock `lag` behind."""
    plan = world.plan_filled(on_stale, READ)
    world.put("carrier_delay", "AA", 7, **ROW)
    world.put("route_delay", "JFK|LAX", 1, arr_delay_mean_7d=None)
    world.tick("carrier_delay", NOW - lag)
    matrix, rows, stored = read_all(world, plan, ENTITIES, {**ENTITIES, "carrier": "UA"})
    reader = VectorReader(plan)
    whole = [[*v, *reader.on_demand({}, s, NOW)] for v, s in zip(matrix.tolist(), stored, strict=True)]
    return whole, rows


HELD = [0.0, 3.0, 2.5, np.nan, 0.0, 5.0, 1.0]
FILLED = [1.0, np.nan, -0.5, np.nan, 1.0, -1.0, 0.0]  # count_1d has no default, routes have none at all


@pytest.mark.parametrize(
    ("on_stale", "lag", "first", "state"),
    [
        ("serve", 60_000, HELD, ("fresh", False)),
        ("serve", 60_001, HELD, ("stale", False)),
        ("refuse", 60_001, HELD, ("stale", False)),
        ("default", 60_000, HELD, ("fresh", False)),
        ("default", 60_001, FILLED, ("stale", True)),
    ],
)
def test_defaults_stand_for_missing_rows_and_for_stale_ones_where_the_contract_says_so(
    world: World, on_stale: str, lag: int, first: list[float], state: tuple[str, bool]
) -> None:
    vectors, rows = read_filled(world, on_stale, lag)
    np.testing.assert_array_equal(vectors, [first, FILLED])
    told = [(r.seq, r.state, r.defaulted) for own in rows for r in own if r.version == 1]
    assert told == [(7, *state), (-1, "missing", True)]
    assert [own[1].defaulted for own in rows] == [False, False]


def test_a_null_in_a_row_stays_null(world: World) -> None:
    world.put("carrier_delay", "AA", 7)
    world.tick("carrier_delay")
    matrix, ((row, _),), _ = read_all(world, world.plan_filled("default", {}), ENTITIES)
    np.testing.assert_array_equal(matrix, np.full((1, 4), np.nan))
    assert not row.defaulted


def test_each_request_of_a_batch_is_judged_by_its_own_time(world: World) -> None:
    reader = VectorReader(world.plan_filled("default", READ))
    world.put("carrier_delay", "AA", 7, **ROW)
    world.tick("carrier_delay", NOW)
    at = [NOW, NOW + 60_001, NOW + 60_000]
    values = world.redis.mget(reader.keys([ENTITIES] * 3))
    matrix, rows, stored = reader.read([ENTITIES] * 3, at, values)
    assert [own[0].defaulted for own in rows] == [False, True, False]
    np.testing.assert_array_equal(matrix[:, 2], [2.5, -0.5, 2.5])
    assert [s["carrier_delay.dest_last"] for s in stored] == ["LAX", "é", "LAX"]


def test_frozen_features_stand_at_their_defaults_whatever_the_rows_hold(world: World) -> None:
    names = {"carrier_delay.arr_delay_mean_1h", "carrier_delay.count_1d", "carrier_delay.dest_last"}
    plan = freeze(world.plan_filled("serve", READ), names)
    world.put("carrier_delay", "AA", 7, **ROW)
    world.put("carrier_delay", "UA", 8, **(ROW | {"arr_delay_mean_1h": None, "diverted_last": None}))
    world.tick("carrier_delay")
    matrix, rows, stored = read_all(
        world, plan, ENTITIES, *({**ENTITIES, "carrier": c} for c in ("UA", "DL"))
    )
    reader = VectorReader(plan)
    assert set(reader.frozen) == names
    # diverted_last is as in the row; count_1d has no default, so that it is NULL
    np.testing.assert_array_equal(
        matrix[:, :3], [[0, np.nan, -0.5], [np.nan, np.nan, -0.5], [1, np.nan, -0.5]]
    )
    np.testing.assert_array_equal([reader.on_demand({}, s, NOW)[:2] for s in stored], [[1.0, -1.0]] * 3)
    assert [own[0].defaulted for own in rows] == [False, False, True]  # which is of the whole row
    assert [own[0].seq for own in rows] == [7, 8, -1]
