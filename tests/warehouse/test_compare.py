from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ks_2samp

from features.aggregates import count, last, maximum, mean
from features.compile import compile_group
from features.contracts import AppliedContract
from features.definitions import FeatureGroup
from features.plan import GroupPlan
from features.reference import rows
from features.types import DataType
from tests.definitions import plain
from tests.features.logs import HOUR, MINUTE, START, Step, log
from tests.warehouse.history import create, write_rows
from warehouse.client import Client
from warehouse.compare import LEVELS, Comparison, Contrast, compare

OLD = replace(
    plain,
    aggregates=[*plain.aggregates, last("seats"), last("carrier")],
    derived={"late": "delay_mean_1h > 3"},
)
LOG = log(
    [
        Step(gap=MINUTE, delay=None if i % 5 == 0 else float(i % 7), seats=i, carrier="AB"[i % 2], gate=i)
        for i in range(60)
    ]
)
END = START + 2 * HOUR


def standing(plan: GroupPlan) -> AppliedContract:
    return AppliedContract(plan.name, plan.version, plan.to_json(), plan.contract_hash, 1_000)


def compared(
    client: Client, old: FeatureGroup, new: FeatureGroup, until: int = END, **more: int
) -> Comparison:
    plans = [compile_group(replace(group, version=v)) for v, group in enumerate((old, new), 1)]
    create(client, *plans)
    for plan in plans:
        write_rows(client, plan.table, rows(plan, LOG, END))
    return compare(client, *map(standing, plans), START, until, **more)


def contrasts(found: Comparison) -> dict[str, Contrast]:
    return {contrast.name: contrast for contrast in found.features}


def test_a_version_that_computes_the_same(database: Client) -> None:
    found = compared(database, OLD, OLD)
    assert (found.before, found.after) == ("plain.v1", "plain.v2")
    assert (found.joined, found.same, found.only_before, found.only_after) == (60, 60, 0, 0)
    assert found.decay_before == found.decay_after > 0
    assert found.first == ()
    assert list(contrasts(found)) == ["count_1h", "delay_mean_1h", "seats_last", "carrier_last", "late"]
    assert all(c.same == 60 and c.before == c.after for c in found.features)
    measured = contrasts(found)["delay_mean_1h"]
    assert (measured.mean_difference, measured.max_difference, measured.distance) == (0.0, 0.0, 0.0)
    assert contrasts(found)["carrier_last"].distance is None


def test_a_changed_window_is_measured_as_the_reference_has_it(database: Client) -> None:
    new = replace(
        OLD,
        aggregates=[OLD.aggregates[0], mean("delay", over="5m", name="delay_mean_1h"), *OLD.aggregates[2:]],
    )
    found = compared(database, OLD, new)
    sides = [
        {
            (r["entity"], r["offset"]): r["delay_mean_1h"]
            for r in rows(compile_group(g), LOG, END)
            if r["topic"]
        }
        for g in (OLD, new)
    ]
    pairs = [(sides[0][key], sides[1][key]) for key in sides[0]]
    both = [(a, b) for a, b in pairs if a is not None and b is not None]
    moved = contrasts(found)["delay_mean_1h"]
    assert (found.joined, moved.same) == (60, sum(a == b for a, b in pairs))
    assert moved.mean_difference == pytest.approx(np.mean([b - a for a, b in both]))
    assert moved.max_difference == max(abs(b - a) for a, b in both)
    values = [[v for v in side.values() if v is not None] for side in sides]
    assert moved.distance == pytest.approx(ks_2samp(*values).statistic)
    assert moved.before is not None
    assert moved.after is not None
    for profile, held in ((moved.before, values[0]), (moved.after, values[1])):
        assert (profile.rows, profile.nulls, profile.distinct) == (60, 60 - len(held), len(set(held)))
        assert profile.mean == pytest.approx(np.mean(held))
        assert len(profile.quantiles) == len(LEVELS)
        assert (profile.quantiles[0], profile.quantiles[-1]) == (min(held), max(held))
    assert contrasts(found)["late"].same == sum(
        (None if a is None else a > 3) == (None if b is None else b > 3) for a, b in pairs
    )
    first = found.first[0]
    assert len(found.first) == 10
    assert first.place[:2] == ("landed", 0)
    assert {"delay_mean_1h"} <= first.columns.keys() <= {"delay_mean_1h", "late"}
    at = (first.entity, first.place[2])
    shown = tuple(None if v is None else float(v) for v in first.columns["delay_mean_1h"])
    assert shown == (sides[0][at], sides[1][at])


def test_features_that_one_version_lacks_and_a_type_that_changed(database: Client) -> None:
    new = replace(
        OLD,
        aggregates=[
            *OLD.aggregates[:2],
            maximum("delay", over="1h"),
            mean("seats", over="2m", name="seats_last"),
        ],
        derived={"late": "delay_mean_1h"},
    )
    found = contrasts(compared(database, OLD, new))
    assert found["carrier_last"].after is None
    assert found["delay_max_1h"].before is None
    assert found["carrier_last"].same is found["delay_max_1h"].same is None
    late, seats = found["late"], found["seats_last"]
    assert late.before is not None
    assert late.after is not None
    assert (late.before.type, late.after.type) == (DataType.BOOLEAN, DataType.DOUBLE)
    assert seats.max_difference == 1.0  # the mean of the last two of one carrier lies between them
    assert late.same is not None
    assert late.same < 60


def test_only_events_that_both_have_are_joined(database: Client) -> None:
    found = compared(database, OLD, replace(OLD, where="gate < 20"))
    assert (found.joined, found.only_before, found.only_after) == (20, 40, 0)
    assert contrasts(found)["count_1h"].same == 20


def test_a_range_and_as_many_pairs_as_asked_for(database: Client) -> None:
    new = replace(OLD, aggregates=[count(over="1m", name="count_1h"), *OLD.aggregates[1:]])
    found = compared(database, OLD, new, START + 30 * MINUTE + 1, most=3)
    assert (found.joined, len(found.first)) == (30, 3)
    empty = compare(
        database, *[standing(compile_group(replace(g, version=v))) for v, g in enumerate((OLD, new), 1)], 0, 1
    )
    assert (empty.joined, empty.same, empty.first) == (0, 0, ())
    assert contrasts(empty)["count_1h"].distance is None


def test_backfilled_rows_are_compared_on_demand(database: Client) -> None:
    plans = [compile_group(replace(OLD, version=v)) for v in (1, 2)]
    create(database, *plans)
    write_rows(database, plans[0].backfill_table, rows(plans[0], LOG, END))
    found = compare(database, *map(standing, plans), START, END, backfilled=True)
    assert (found.joined, found.only_before, found.only_after) == (0, 60, 0)
