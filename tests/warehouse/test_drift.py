"""Counts and quantiles of the warehouse against the same in NumPy, over every kind of sample."""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from warehouse.bins import Bins
from warehouse.client import Client
from warehouse.drift import COLUMNS, MAX_LEVELS, beyond, count, levels, quantiles
from warehouse.samples import Sample, emitted

AWKWARD = [None, "", "a", "b'c", "a\\", "über", "%{x}", "z"]


def held(client: Client, columns: dict[str, tuple[str, list[object]]]) -> Sample:
    kinds = ", ".join(f"{name} Nullable({kind})" for name, (kind, _) in columns.items())
    client.command("DROP TABLE IF EXISTS held")
    client.command(f"CREATE TABLE held ({kinds}) ENGINE = MergeTree ORDER BY tuple()")
    client.insert(
        "held", list(zip(*(v for _, v in columns.values()), strict=True)), column_names=list(columns)
    )
    return Sample("held", {name: name for name in columns})


def by_hand(values: list[float | None], edges: tuple[float, ...]) -> list[int]:
    counts = [0] * (len(edges) + 2)
    for value in values:
        if value is None or math.isnan(value):
            counts[-1] += 1
        else:
            counts[sum(value > edge for edge in edges)] += 1
    return counts


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(
    st.lists(
        st.none() | st.sampled_from([math.nan, math.inf, -math.inf, 1.0]) | st.floats(-9, 9), min_size=1
    ),
    st.lists(st.floats(-9, 9) | st.just(1.0), max_size=9, unique=True),
)
def test_every_number_is_in_one_bin(database: Client, values: list[float | None], edges: list[float]) -> None:
    sample = held(database, {"x": ("Float64", list(values))})
    bounds = tuple(sorted(edges))
    assert count(database, sample, {"x": Bins(bounds)}) == {"x": by_hand(values, bounds)}


def test_what_is_beyond_its_range_is_a_share_of_what_is_there(database: Client) -> None:
    columns: dict[str, tuple[str, list[object]]] = {
        f"x{n}": ("Float64", [-1.0, 0.0, 5.0, 9.0, math.nan, None]) for n in range(COLUMNS + 1)
    }
    columns["none"] = ("Float64", [None] * 6)
    sample = held(database, columns)
    ranges = {f"x{n}": (-0.5 * n, 9.0 - n) for n in range(COLUMNS + 1)} | {"none": (0.0, 1.0)}
    found = beyond(database, sample, ranges)
    assert list(found) == list(ranges)
    for name, (low, high) in ranges.items():
        there = [-1.0, 0.0, 5.0, 9.0] if name != "none" else []
        assert found[name] == sum(not low <= v <= high for v in there) / max(len(there), 1)
    assert beyond(database, sample, {}) == {}


def test_rows_that_were_written_again_are_one(database: Client) -> None:
    database.command("DROP TABLE IF EXISTS again")
    database.command(
        "CREATE TABLE again (entity String, seq Int64, event_timestamp DateTime64(3, 'UTC'), x Float64) "
        "ENGINE = ReplacingMergeTree ORDER BY (entity, seq)"
    )
    rows = [["a", seq, 1_000 * seq, float(seq)] for seq in range(10)]
    for lines in (rows, rows[2:8]):
        database.insert("again", lines, column_names=["entity", "seq", "event_timestamp", "x"])
    sample = emitted("again", ["x"], 3_000, 9_000)
    assert count(database, sample, {"x": Bins((5.0,))}) == {"x": [3, 3, 0]}


def test_many_features_of_all_types_are_counted_in_their_order(database: Client) -> None:
    random = np.random.default_rng(1)
    n, names = 500, [f"x{i}" for i in range(COLUMNS * 2 + 3)]
    columns: dict[str, tuple[str, list[object]]] = {
        name: ("Float64", [None if i % 7 == 0 else float(v) for i, v in enumerate(random.normal(size=n))])
        for name in names
    }
    columns["whole"] = ("Int64", [int(v) for v in random.integers(-5, 5, n)])
    columns["text"] = ("String", [AWKWARD[i] for i in random.integers(0, len(AWKWARD), n)])
    columns["flag"] = ("Bool", [bool(v) for v in random.integers(0, 2, n)])
    sample = held(database, columns)
    bins = {name: Bins((-1.0, 0.0, 1.0)) for name in reversed(names)}
    known = ("a", "b'c", "a\\", "")
    bins |= {"text": Bins(levels=known), "whole": Bins((0.0,)), "flag": Bins(levels=("true",))}
    found = count(database, sample, bins)
    assert list(found) == list(bins)
    for name in names:
        assert found[name] == by_hand(columns[name][1], (-1.0, 0.0, 1.0))  # type: ignore[arg-type]
    text = columns["text"][1]
    assert found["text"] == [
        *(text.count(level) for level in known),
        sum(v is not None and v not in known for v in text),
        text.count(None),
    ]
    assert found["flag"] == [columns["flag"][1].count(True), columns["flag"][1].count(False), 0]
    assert sum(found["whole"]) == n


def test_no_rows_are_no_counts(database: Client) -> None:
    sample = held(database, {"x": ("Float64", [1.0]), "t": ("String", ["a"])})
    none = Sample("held WHERE 0", sample.columns)
    bins = {"x": Bins((0.5,)), "t": Bins(levels=("a",)), "never": Bins(levels=())}
    sample_never = Sample(none.rows, {**none.columns, "never": "CAST(NULL, 'Nullable(String)')"})
    assert count(database, sample_never, bins) == {"x": [0, 0, 0], "t": [0, 0, 0], "never": [0, 0]}
    assert quantiles(database, none, ["x"], [0.5]) == {"x": []}
    assert levels(database, none, ["t"]) == {"t": []}


def test_quantiles_are_observed_values(database: Client) -> None:
    values: list[object] = [None, *map(float, range(1, 101))]
    sample = held(database, {"x": ("Float64", values), "n": ("Int64", [None] * 101)})
    found = quantiles(database, sample, ["x", "n"], [0.0, 0.25, 0.5, 1.0])
    assert found["n"] == []
    assert found["x"][0] == 1
    assert found["x"][-1] == 100
    assert found["x"][1:3] == pytest.approx([25, 50], abs=1)


def test_levels_are_the_most_frequent_and_none_is_missing(database: Client) -> None:
    text: list[object] = [f"rare {i}" for i in range(MAX_LEVELS + 50)] + ["often"] * 3 + [None] * 9
    sample = held(database, {"t": ("String", text)})
    found = levels(database, sample, ["t"])["t"]
    assert found[0] == "often"
    assert len(found) == MAX_LEVELS
    assert found[1:] == sorted(found[1:])
