"""Training sets as they were servable: over late events, corrections and slow pipelines.

The reference is asked what the log held: for each request it is given the records up to that moment, and
nothing of what came after. A failing example prints as a `World(...)` that can be pasted here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import isnan
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from msgspec.structs import asdict

from features import DataType, FeatureGroup, Freshness, Label, Model
from features.compile import compile_group
from features.compile_inputs import compile_source
from features.compile_model import compile_model
from features.layout import Layout, pack_clock
from features.naming import key_text
from features.plan import GroupPlan
from features.reference import LogRecord, rows, with_log_time
from features.types import Row, Value
from features.vector import ModelPlan
from inference.vector import VectorReader
from tests.definitions import landed
from tests.features.logs import DAY, ENTITIES, HOUR, MINUTE, SECOND, START, Case, Step, cases
from tests.warehouse.answers import Answer, answer, publish, vector
from tests.warehouse.history import EVER, create, write_log, write_rows
from warehouse.audit import Audit, audit
from warehouse.backfill import backfill
from warehouse.client import Client
from warehouse.datasets import BACKFILL, STREAM, dataset_sql
from warehouse.tables import source_table
from warehouse.visible import visible_lag

LEAD = 2 * HOUR
OUTCOME = replace(landed(), name="outcome")  # what became of the things that were asked about
DEFAULTS: dict[DataType, Value] = {
    DataType.INTEGER: 2**53,
    DataType.DOUBLE: -0.1,
    DataType.BOOLEAN: True,
    DataType.TEXT: "A",
}
Held = dict[str, Any] | None


@dataclass(frozen=True)
class Asked:
    """A request `after` ms (before, where negative) the log took the record at `record`."""

    record: int
    after: int = 0
    carrier: str | None = "A"
    gate: int | None = 1
    diverted: bool = False
    seats: int | None = 3


@dataclass(frozen=True)
class World:
    """A log, a group over it, and requests whose outcomes came later.

    Of the group's features each `filled`-th has a default, none where it is 0.
    """

    case: Case
    asked: tuple[Asked, ...]
    filled: int = 0
    on_stale: str = "serve"

    @cached_property
    def group(self) -> FeatureGroup:
        """The group, with a default of each `filled`-th of its features."""
        group = self.case.group
        if not self.filled:
            return group
        features = compile_group(group).features[:: self.filled]
        defaults = {f.name: DEFAULTS[f.type] for f in features}
        return replace(group, defaults=defaults, freshness=Freshness(on_stale=self.on_stale))

    @cached_property
    def plan(self) -> GroupPlan:
        return compile_group(self.group)

    @cached_property
    def model(self) -> ModelPlan:
        """All numbers of the group, and on-demand features of rows, texts, inputs and the request's time."""
        numbers = [f.name for f in self.plan.features if f.type is not DataType.TEXT]
        texts = {
            f"is_{f.name}": f"random.{f.name} = 'A'" for f in self.plan.features if f.type is DataType.TEXT
        }
        return compile_model(
            Model(
                "servable",
                [ENTITIES[self.case.entity]],
                [self.group[name] for name in numbers],
                Label(OUTCOME, "id", "delay > 15", due="due", lead="2h", horizon="1d"),
                inputs={"due": DataType.TIMESTAMP, "seats": DataType.INTEGER},
                on_demand={
                    "room": f"random.{numbers[0]} + seats",
                    "minute": "extract(minute from requested_at)",
                    "early": "requested_at < due",
                    "age": "cast(requested_at as bigint) - cast(random.event_timestamp as bigint)",
                    **texts,
                },
            )
        )

    @cached_property
    def log(self) -> list[tuple[int, LogRecord]]:
        return with_log_time(self.case.records)

    @property
    def end(self) -> int:
        return self.log[-1][0] + 3 * DAY

    @cached_property
    def requests(self) -> dict[str, tuple[int, Row]]:
        """The time of each request, and its outcome's columns."""
        found = {}
        for number, asked in enumerate(self.asked):
            at = self.log[asked.record % len(self.log)][0] + asked.after
            row: Row = {"id": f"r{number}", "landed_at": at + LEAD, "due": at + LEAD, "delay": 20.0}
            columns = {n: getattr(asked, n) for n in ("carrier", "gate", "diverted", "seats")}
            found[f"r{number}"] = (at, row | columns)
        return found

    def key(self, outcome: Row) -> str | None:
        values = [outcome[name] for name in self.plan.keys]
        if None in values:
            return None
        return key_text([str(v).lower() if isinstance(v, bool) else str(v) for v in values])

    def inputs(self, outcome: Row) -> dict[str, Value]:
        return {name: outcome[name] for name in self.model.inputs}

    def held(self, at: int, outcome: Row) -> Held:
        """Give the entity's last row of the log as it stood at `at`."""
        then = [record for clock, record in self.log if clock <= at]
        key = self.key(outcome)
        return next((r for r in reversed(rows(self.plan, then, at + 1)) if r["entity"] == key), None)

    def expected(self) -> dict[str, dict[str, float | None]]:
        """Give each request's vector as the log held it."""
        return {
            name: vector(self.model, at, self.inputs(outcome), {"random": self.held(at, outcome)})
            for name, (at, outcome) in self.requests.items()
        }

    def served(self, name: str, age_ms: int) -> Answer | None:
        """Give what serving logs, with the vector that its reader makes of the online store's row.

        The group's clock lies `age_ms` behind the request. None without a key: there is nothing to ask about.
        """
        at, outcome = self.requests[name]
        key, inputs, held = self.key(outcome), self.inputs(outcome), self.held(at, outcome)
        if key is None:
            return None
        reader, keys = VectorReader(self.model), {self.case.entity: key}
        row = None if held is None else Layout.of(self.plan).pack(held)
        matrix, (rows,), (stored,) = reader.read([keys], [at], [row, pack_clock(at - age_ms)])
        values = [*matrix[0].tolist(), *reader.on_demand(inputs, stored, at)]
        used = {n: None if isnan(v) else v for n, v in zip(self.model.names, values, strict=True)}
        made = answer(self.model, name, at, keys, inputs, {"random": held}, age_ms)
        assert ([asdict(row) for row in rows], used) == (made["rows"], made["feature_values_used"])
        return made

    def write(self, client: Client) -> None:
        """Write it all: events, outcomes, the rows that the stream emitted, and those of the backfill."""
        for table in (self.plan.table, self.plan.backfill_table, "landed", "outcome"):
            client.command(f"DROP TABLE IF EXISTS {table}")
        client.command("TRUNCATE TABLE model_prediction_log")
        create(client, self.plan)
        client.command(source_table(compile_source(OUTCOME)))
        write_log(client, self.plan.source, self.case.records)
        outcomes = sorted(self.requests.values(), key=lambda request: request[0])
        records = [LogRecord("outcome", 0, n, at + 3 * HOUR, row) for n, (at, row) in enumerate(outcomes)]
        write_log(client, compile_source(OUTCOME), records)
        emitted = rows(self.plan, self.case.records, self.end)
        if emitted:
            write_rows(client, self.plan.table, [*emitted, *reversed(emitted)])  # each at least once
        backfill(client, self.plan, EVER, self.end)

    def dataset(self, client: Client, model: ModelPlan, origin: str) -> dict[str, dict[str, float | None]]:
        """Give each request's vector in the training set."""
        return vectors(client, model, dataset_sql(model, EVER, self.end, origin=origin))


def vectors(client: Client, model: ModelPlan, sql: str) -> dict[str, dict[str, float | None]]:
    names = ", ".join(f"`{name.replace('.', '__')}`" for name in model.names)
    found = client.query(f"SELECT request_id, {names} FROM ({sql})").result_rows
    return {name: dict(zip(model.names, values, strict=True)) for name, *values in found}


_asked = st.builds(
    Asked,
    record=st.integers(0, 59),
    after=st.sampled_from([0, 0, -1, 1, SECOND, MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 7 * HOUR]),
    carrier=st.sampled_from(["A", "A", "A", "B|\\", "", "ü日", None]),
    gate=st.sampled_from([1, 1, -2, None]),
    diverted=st.booleans(),
    seats=st.sampled_from([3, None]),
)
worlds = st.builds(
    World,
    case=cases.map(lambda case: replace(case, start=START, gathered=False)),
    asked=st.lists(_asked, min_size=1).map(tuple),
    filled=st.sampled_from([0, 1, 2]),
    on_stale=st.sampled_from(["serve", "default"]),
)
law = settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])

# A lands at 0, 10 and 40 minutes, where the last tells of a landing 25 minutes before; at 45 the delay of
# the second is put right, under a new id.
CORRECTED = Case(
    windows=(("1h", "30m"),),
    aggregates=("delay_mean", "delay_last", "carrier_last"),
    steps=(
        Step(delay=10.0),
        Step(gap=10 * MINUTE, delay=30.0),
        Step(gap=30 * MINUTE, late=25 * MINUTE, delay=-4.0),
        Step(gap=5 * MINUTE, late=35 * MINUTE, delay=50.0),
        Step(gap=9 * HOUR, carrier="B"),
    ),
)
MOMENTS = (5, 10, 20, 39, 40, 44, 45, 89, 90, 600)  # minutes
STORY = World(CORRECTED, tuple(Asked(0, n * MINUTE) for n in MOMENTS))
# Before the first landing, and of an airline without one: there is no row.
FILLED = World(CORRECTED, (Asked(0, -1), Asked(0, carrier="ü日"), Asked(1)), 1, "default")


def test_a_late_event_and_a_correction_count_from_when_they_came(database: Client) -> None:
    STORY.write(database)
    found = STORY.dataset(database, STORY.model, BACKFILL)
    names = ("random.count_w0", "random.delay_mean_w0", "random.delay_last_w0")
    told = {n: tuple(v[name] for name in names) for n, v in zip(MOMENTS, found.values(), strict=True)}
    assert told == {
        5: (1, 10, 10),
        10: (2, 20, 30),
        20: (2, 20, 30),
        39: (2, 20, 30),
        40: (3, 12, -4),
        44: (3, 12, -4),
        45: (4, 21.5, -4),  # both values of the landing put right count: they are two events
        89: (4, 21.5, -4),
        90: (0, None, None),
        600: (0, None, None),
    }


def test_a_join_on_when_things_happened_leaks(database: Client) -> None:
    STORY.write(database)
    leaking = database.query(
        "SELECT o.id, count(), avg(e.delay) FROM outcome AS o JOIN landed AS e ON o.carrier = e.carrier "
        "WHERE e.landed_at BETWEEN addHours(o.due, -3) AND addHours(o.due, -2) GROUP BY o.id"
    )
    leaked = {name: values for name, *values in leaking.result_rows}
    found = STORY.dataset(database, STORY.model, BACKFILL)
    told = {n: [v["random.count_w0"], v["random.delay_mean_w0"]] for n, v in found.items()}
    at = dict(zip(MOMENTS, STORY.requests, strict=True))
    assert [leaked[at[n]] == told[at[n]] for n in (5, 10, 20, 39, 40, 45)] == [
        True,
        False,
        False,
        False,
        False,
        True,
    ]
    assert leaked[at[20]] == [4, 21.5] == told[at[45]]  # what was known 25 minutes later


@law
@given(world=worlds)
@example(world=STORY)
def test_a_vector_is_the_one_that_the_log_held(database: Client, world: World) -> None:
    world.write(database)
    expected = world.expected()
    assert expected.keys() == world.requests.keys()
    assert world.dataset(database, world.model, STREAM) == expected
    assert world.dataset(database, world.model, BACKFILL) == expected


@law
@given(world=worlds, age=st.sampled_from([0, 10 * MINUTE, 10 * MINUTE + 1]))
@example(world=FILLED, age=0)
@example(world=FILLED, age=10 * MINUTE + 1)
def test_serving_makes_the_same_vector_but_where_a_stale_row_gives_way(
    database: Client, world: World, age: int
) -> None:
    world.write(database)
    served = {n: made for n in world.requests if (made := world.served(n, age)) is not None}
    if served:
        publish(database, served.values())
    assert audit(database, world.model, EVER, world.end) == Audit(len(served), 0, (), 0)
    found = world.dataset(database, world.model, BACKFILL)
    for name, made in served.items():
        (row,) = made["rows"]
        gave_way = row["state"] == "stale" and row["defaulted"]
        assert gave_way == (
            age > 10 * MINUTE and row["seq"] > 0 and world.filled > 0 and world.on_stale == "default"
        )
        if gave_way:  # the log does not tell that it was stale: the set has the row
            assert found[name]["age"] is not None
            assert made["feature_values_used"]["age"] is None
        else:
            assert found[name] == made["feature_values_used"]


@law
@given(world=worlds, delay=st.sampled_from([1, 500, MINUTE, HOUR]))
@example(world=STORY, delay=6 * MINUTE)
def test_with_the_measured_delay_it_is_the_one_that_was_served(
    database: Client, world: World, delay: int
) -> None:
    world.write(database)
    served = {}
    for name, (at, outcome) in world.requests.items():
        key = world.key(outcome)
        if key is not None:  # without a key there is nothing to ask about
            held = {"random": world.held(at - delay, outcome)}
            inputs = world.inputs(outcome)
            served[name] = answer(world.model, name, at, {world.case.entity: key}, inputs, held)
    if served:
        publish(database, served.values())
    assert audit(database, world.model, EVER, world.end) == Audit(len(served), 0, (), 0)
    measured = visible_lag(database, world.model, EVER, world.end)
    assert (measured.rows, measured.agreeing) == (len(served), len(served))
    assert measured.delay_ms <= delay
    delayed = replace(world.model, serving_delay_ms=measured.delay_ms)
    for origin in (STREAM, BACKFILL):
        found = world.dataset(database, delayed, origin)
        assert {n: found[n] for n in served} == {n: a["feature_values_used"] for n, a in served.items()}


@law
@given(world=worlds, slow=st.lists(st.sampled_from([0, 1, SECOND, MINUTE, 2 * HOUR]), min_size=1))
@example(world=STORY, slow=[MINUTE, 5 * MINUTE, 0])
def test_where_rows_take_their_time_no_delay_explains_more_of_them(
    database: Client, world: World, slow: list[int]
) -> None:
    world.write(database)
    emitted = rows(world.plan, world.case.records, world.end)
    answers, used = [], []
    for name, (at, outcome) in world.requests.items():
        key = world.key(outcome)
        if key is None:
            continue
        own = [r for r in emitted if r["entity"] == key]
        seen = [r for r in own if r["event_timestamp"] + slow[r["seq"] % len(slow)] <= at]
        newest = max(seen, key=lambda r: r["seq"], default=None)
        answers.append(
            answer(world.model, name, at, {world.case.entity: key}, world.inputs(outcome), {"random": newest})
        )
        used.append((at, own, newest))
    if answers:
        publish(database, answers)

    def agreeing(delay: int) -> int:
        return sum(_joined(own, at - delay) == newest for at, own, newest in used)

    candidates = {0, *(max(0, at - r["event_timestamp"] + 1) for at, own, _ in used for r in own)}
    best = max(candidates, key=lambda delay: (agreeing(delay), -delay))
    found = visible_lag(database, world.model, EVER, world.end)
    assert (found.rows, found.agreeing) == (len(used), agreeing(best))
    assert found.delay_ms == (best if found.agreeing else 0)
    assert found.current == agreeing(0)


def _joined(own: list[dict[str, Any]], at: int) -> Mapping[str, Any] | None:
    seen = [r for r in own if r["event_timestamp"] <= at]
    return seen[-1] if seen else None


@pytest.mark.parametrize("moment", [0, -1])
def test_the_very_moment_counts(database: Client, moment: int) -> None:
    world = World(CORRECTED, (Asked(1, moment),))
    world.write(database)
    (found,) = world.dataset(database, world.model, BACKFILL).values()
    assert found["random.count_w0"] == 2 + moment
