"""Training sets. The model: a prediction two hours before an event is due, its label within a day."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from features import DataType, FeatureGroup, Freshness, Label, Model, Source, count, total
from features.compile import compile_group
from features.compile_model import compile_model
from features.expressions.python import evaluator
from features.reference import LogRecord
from features.types import Row
from features.vector import ModelPlan
from tests.definitions import carrier, late, plain, whole
from tests.features.logs import DAY, HOUR, MINUTE, START
from tests.warehouse.history import EVER, create, write_log, write_rows
from warehouse.backfill import backfill
from warehouse.client import Client
from warehouse.datasets import BACKFILL, STREAM, build, dataset_sql, find, read

PLAIN, WHOLE = compile_group(plain), compile_group(whole)
LATE = compile_model(late)
COUNT = compile_model(replace(late, features=[plain["count_1h"]], inputs={}, on_demand={}))
NOON = START + 12 * HOUR  # the time of a prediction
END = START + 30 * DAY
FEATURE = "plain.count_1h"


@pytest.fixture
def client(database: Client) -> Client:
    create(database, PLAIN, WHOLE)
    return database


def landing(name: str, at: int, due: int | None = NOON + 2 * HOUR, **more: Any) -> tuple[int, Row]:
    """An event that arrives at `at`."""
    row: Row = {"id": name, "landed_at": at, "carrier": "A", "gate": 1, "delay": 20.0, "seats": 3}
    return at, {**row, "diverted": False, "due": due, **more}


def publish(client: Client, *landings: tuple[int, Row]) -> None:
    write_log(
        client, PLAIN.source, [LogRecord("landed", 0, i, at, row) for i, (at, row) in enumerate(landings)]
    )


def row(at: int, seq: int, value: int, entity: str = "A", **more: Any) -> dict[str, Any]:
    return {
        "entity": entity,
        "event_timestamp": at,
        "last_event_time": at,
        "seq": seq,
        **(more or {"count_1h": value}),
    }


def vectors(
    client: Client, plan: ModelPlan = COUNT, since: int = 0, until: int = END, **more: Any
) -> dict[str, Any]:
    """Build a set; give each request's vector and label."""
    table = read(client, build(client, "tried", plan, since, until, **more))
    return {r["request_id"]: r for r in table.to_pylist()}


def value(client: Client, **more: Any) -> Any:
    return vectors(client, **more)["one"][FEATURE]


def test_the_newest_row_at_the_prediction_holds_and_no_later_one(client: Client) -> None:
    publish(client, landing("one", NOON + 3 * HOUR))
    rows = [row(NOON - HOUR, 1, 10), row(NOON + 1, 2, 99)]
    write_rows(client, PLAIN.backfill_table, rows)
    assert value(client) == 10
    write_rows(client, PLAIN.backfill_table, [row(NOON, 2, 11), row(NOON + 1, 3, 99)])
    assert value(client) == 11  # the very moment counts


def test_of_rows_that_share_a_moment_the_highest_seq_holds(client: Client) -> None:
    publish(client, landing("one", NOON + 3 * HOUR))
    at = NOON - HOUR
    write_rows(
        client, PLAIN.backfill_table, [row(at, 9, 9), row(at, 10, 3), row(at, 8, 8), row(at - 1, 7, 7)]
    )
    assert value(client) == 3


def test_a_row_enters_only_once_it_could_be_served(client: Client) -> None:
    publish(client, landing("one", NOON + 3 * HOUR))
    write_rows(client, PLAIN.backfill_table, [row(NOON - MINUTE, 1, 10), row(NOON - 500, 2, 11)])
    seen = [value(client, plan=replace(COUNT, serving_delay_ms=delay)) for delay in (0, 500, 501, HOUR)]
    assert seen == [11, 11, 10, None]


def test_the_rows_are_those_of_the_origin_that_was_asked_for(client: Client) -> None:
    publish(client, landing("one", NOON + 3 * HOUR))
    write_rows(client, PLAIN.backfill_table, [row(NOON - 1, 1, 10)])
    write_rows(client, PLAIN.table, [row(NOON - 1, 1, 20)])
    assert (value(client), value(client, origin=STREAM)) == (10, 20)


def test_a_late_event_does_not_leak_as_it_would_by_event_time(client: Client) -> None:
    publish(
        client,
        landing("early", NOON - HOUR // 2, None),
        landing("late", NOON + 2 * MINUTE, None, landed_at=NOON - MINUTE),  # happened before, came after
        landing("one", NOON + 3 * HOUR),
    )
    backfill(client, PLAIN, EVER, NOON + 3 * MINUTE)
    assert value(client) == 1
    leaking = dataset_sql(COUNT, 0, END).replace("event_timestamp", "last_event_time")
    assert client.query(f"SELECT plain__count_1h FROM ({leaking})").result_rows == [(2.0,)]


def test_where_there_is_no_row_the_defaults_stand_and_a_null_in_a_row_stays(client: Client) -> None:
    counts = replace(plain, defaults={"count_1h": 2**62, "delay_mean_1h": -0.1})
    stands = replace(
        whole, defaults={"busy": True, "carrier_last": "it's", "seats_min": -(2**63)}, freshness=Freshness()
    )
    texts = {
        "theirs": "whole.carrier_last = 'it''s'",
        "least": "whole.seats_min = -9223372036854775807 - 1",
        "timed": "whole.event_timestamp is not null",
    }
    features = [counts["count_1h"], counts["delay_mean_1h"], stands["pace"], stands["busy"]]
    plan = compile_model(replace(late, features=features, on_demand=texts))
    at = NOON + 3 * HOUR
    publish(
        client, landing("there", at), landing("absent", at, carrier="B"), landing("no key", at, gate=None)
    )
    stand = {"pace": 0.5, "busy": None, "carrier_last": "A", "seats_min": None}
    write_rows(client, WHOLE.backfill_table, [row(NOON, 1, 0, "A|1|false", **stand)])
    write_rows(client, PLAIN.backfill_table, [row(NOON, 1, 7, delay_mean_1h=None, count_1h=7)])
    found = vectors(client, plan)
    assert {name: [r[n] for n in plan.names] for name, r in found.items()} == {
        "there": [7.0, None, 0.5, None, 0.0, None, 1.0],
        "absent": [2.0**62, -0.1, None, 1.0, 1.0, 1.0, 0.0],
        "no key": [7.0, None, None, 1.0, 1.0, 1.0, 0.0],
    }
    stored = build(client, "filled", plan, 0, END)
    assert read(client, build(client, "sliced", plan, 0, END, slice_rows=1)).equals(read(client, stored))


def test_a_label_counts_as_its_first_record_within_the_horizon(client: Client) -> None:
    publish(
        client,
        landing("early", NOON + HOUR, delay=16.0),
        landing("twice", NOON + 3 * HOUR, delay=20.0),
        landing("no value", NOON + 3 * HOUR, delay=None),
        landing("not due", NOON + 3 * HOUR, None),
        landing("diverted", NOON + 3 * HOUR, diverted=True),
        landing("twice", NOON + 4 * HOUR, delay=0.0),
        landing("in time", NOON + DAY, delay=15.0),
        landing("too late", NOON + DAY + 1),
        landing("later due", NOON + DAY + 1, NOON + 3 * HOUR),
    )
    found = vectors(client)
    assert {name: r["label"] for name, r in found.items()} == {
        "early": 1.0,
        "twice": 1.0,
        "in time": 0.0,
        "later due": 1.0,
    }
    times = {name: (r["prediction_time"], r["label_time"]) for name, r in found.items()}
    assert [round(t.timestamp() * 1000) for t in times["twice"]] == [NOON, NOON + 3 * HOUR]
    assert round(times["later due"][0].timestamp() * 1000) == NOON + HOUR


def test_predictions_of_the_range_with_labels_that_had_come(client: Client) -> None:
    publish(
        client,
        *(landing(str(i), NOON + 4 * HOUR + i, NOON + 2 * HOUR + i) for i in range(4)),
        landing("unknown", NOON + 20 * HOUR, NOON + 2 * HOUR + 1),
    )
    assert vectors(client, since=NOON + 1, until=NOON + 4 * HOUR + 3).keys() == {"1", "2"}
    assert vectors(client, since=NOON + 1, until=NOON + 3).keys() == set()  # made, and not yet known
    assert vectors(client, since=NOON + 1).keys() == {"1", "2", "3", "unknown"}


def test_an_entity_of_several_keys_one_that_is_missing_and_one_without_a_key(client: Client) -> None:
    at = NOON + 3 * HOUR
    publish(
        client,
        landing("there", at, carrier="A|\\"),
        landing("absent", at, gate=2),
        landing("no key", at, gate=None),
    )
    stands = [
        row(NOON, 1, 0, "A\\|\\\\|1|false", pace=0.5, busy=True),
        row(NOON, 1, 0, "A|3|false", pace=2.0, busy=None),
    ]
    write_rows(client, WHOLE.backfill_table, stands)
    write_rows(client, PLAIN.backfill_table, [row(NOON, 1, 7), row(NOON, 1, 8, "A\\|\\\\")])
    found = vectors(client, LATE)
    assert {n: [r[f] for f in LATE.names[:3]] for n, r in found.items()} == {
        "there": [8.0, 0.5, 1.0],
        "absent": [7.0, None, None],
        "no key": [7.0, None, None],
    }


def test_on_demand_features_are_those_that_serving_computes(client: Client) -> None:
    inputs: list[dict[str, Any]] = [
        {"due": NOON + hours * HOUR, "seats": seats} for hours in (2, 5, 7) for seats in (None, 1, 3)
    ]
    publish(client, *(landing(str(i), NOON + 8 * HOUR, **given) for i, given in enumerate(inputs)))
    found = vectors(client, LATE)
    wanted = {
        str(i): {d.name: evaluator(d.expression)(given) for d in LATE.on_demand}
        for i, given in enumerate(inputs)
    }
    assert {name: {d.name: r[d.name] for d in LATE.on_demand} for name, r in found.items()} == wanted
    assert {w["evening"] for w in wanted.values()} == {True, False, None}


def test_on_demand_features_read_the_joined_rows_and_the_time_of_the_prediction(client: Client) -> None:
    texts = {
        "s": "whole.carrier_last = 'A' and not diverted",  # text, of no vector; and a name of one letter
        "more": "plain.count_1h + seats",
        "hour": "extract(hour from requested_at)",
        "early": "requested_at < due",
        "age": "cast(requested_at as bigint) - cast(plain.event_timestamp as bigint)",
    }
    inputs = {**late.inputs, "diverted": DataType.BOOLEAN}
    plan = compile_model(replace(late, inputs=inputs, on_demand=texts))
    at = NOON + 3 * HOUR
    publish(client, landing("one", at), landing("two", at, carrier="B", seats=5), landing("none", at, gate=7))
    stands = [
        row(NOON - 1, 1, 0, f"{letter}|1|false", pace=0.5, busy=True, carrier_last=letter) for letter in "AB"
    ]
    write_rows(client, WHOLE.backfill_table, stands)
    write_rows(client, PLAIN.backfill_table, [row(NOON - 1, 1, 7), row(NOON, 2, 9)])
    found = vectors(client, plan)
    assert {name: [r[n] for n in texts] for name, r in found.items()} == {
        "one": [1.0, 12.0, 12.0, 1.0, 0.0],
        "two": [0.0, None, 12.0, 1.0, None],
        "none": [None, 12.0, 12.0, 1.0, 0.0],
    }
    delayed = vectors(client, replace(plan, serving_delay_ms=1))
    assert [delayed["one"][n] for n in texts] == [
        1.0,
        10.0,
        12.0,
        1.0,
        1.0,
    ]  # the request's time is as it was


def test_an_input_may_have_the_name_of_a_feature(client: Client) -> None:
    group = replace(plain, name="same", aggregates=[total("seats", over="1h", name="seats")])
    plan = compile_model(
        replace(
            late,
            features=[group["seats"], plain["count_1h"]],
            inputs={"seats": DataType.INTEGER},
            on_demand={"more": "seats + 1"},
        )
    )
    create(client, compile_group(group))
    write_rows(client, "backfill_same_v1", [row(NOON, 1, 0, seats=100)])
    publish(client, landing("one", NOON + 3 * HOUR, seats=3))
    assert [vectors(client, plan)["one"][n] for n in plan.names] == [100.0, None, 4.0]


def test_a_source_may_name_its_columns_as_the_set_does(database: Client, tmp_path: Path) -> None:
    time = {"type": "long", "logicalType": "timestamp-millis"}
    types = {"request_id": "string", "at": time, "carrier": "string", "label": "double"}
    types |= {"prediction_time": time, "label_time": "long", "seats": "long"}
    schema = {
        "type": "record",
        "name": "outcome",
        "fields": [{"name": n, "type": ["null", t], "default": None} for n, t in types.items()],
    }
    (tmp_path / "outcome.avsc").write_text(json.dumps(schema))
    source = Source("outcome", tmp_path / "outcome.avsc", "at", "request_id", "carrier")
    group = FeatureGroup("seen", 1, carrier, source, [count(over="1h")])
    plan = compile_model(
        Model(
            "named",
            [carrier],
            [group["count_1h"]],
            Label(source, "request_id", "label * 2", "prediction_time", "2h", "1d", "label < 9"),
            inputs={"seats": DataType.INTEGER},
            on_demand={"twice": "seats * 2"},
        )
    )
    create(database, compile_group(group))
    event = {
        "request_id": None,
        "at": NOON,
        "carrier": "A",
        "label": 3.0,
        "prediction_time": NOON + 2 * HOUR,
        "label_time": 7,
        "seats": 5,
    }
    events = [event | more for more in ({"request_id": "one"}, {"request_id": "two", "label": None}, {})]
    records = [LogRecord("outcome", 0, i, NOON + 3 * HOUR, e) for i, e in enumerate(events)]
    write_log(database, compile_group(group).source, records)
    found = vectors(database, plan)
    assert {n: (r["label"], r["twice"]) for n, r in found.items()} == {"one": (6.0, 10.0)}
    assert round(found["one"]["prediction_time"].timestamp() * 1000) == NOON


def test_the_same_log_gives_the_same_hash_and_another_log_another(client: Client) -> None:
    landings = [landing(str(i), NOON + 3 * HOUR + i, delay=20.0 * i) for i in range(50)]
    publish(client, *landings)
    write_rows(client, PLAIN.backfill_table, [row(NOON, 1, 5)])
    first, again = (build(client, "hashed", COUNT, 0, END) for _ in range(2))
    assert (first.version, again.version) == (1, 2)
    assert (first.rows, first.content_hash) == (again.rows, again.content_hash) == (50, again.content_hash)
    delayed = build(client, "hashed", replace(COUNT, serving_delay_ms=1), 0, END)
    assert delayed.content_hash != first.content_hash
    publish(client, landing("0", NOON + 3 * HOUR, delay=99.0), *landings[1:])  # one label is another
    assert build(client, "hashed", COUNT, 0, END).content_hash != first.content_hash


@pytest.mark.parametrize("slice_rows", [1, 7, 100])
def test_a_set_that_is_built_by_ranges_of_keys_is_the_same(client: Client, slice_rows: int) -> None:
    names = ["", "A", "B|\\", "it's", "z", "ü日", "no row", None]
    publish(
        client,
        *(
            landing(f"{name} {gate} {i}", NOON + 3 * HOUR + i, NOON + (2 + i) * HOUR, carrier=name, gate=gate)
            for i in range(3)
            for gate in (1, None)
            for name in names
        ),
    )
    entities = {n: n.replace("\\", "\\\\").replace("|", "\\|") for n in names[:-2] if n is not None}
    for seq in range(4):
        at = NOON + (seq // 2) * HOUR  # two share each moment
        rows = [row(at, seq, 10 * seq + n, e) for n, e in enumerate(entities.values()) if n != seq]
        write_rows(client, PLAIN.backfill_table, rows)
        write_rows(client, PLAIN.backfill_table, rows[:2])  # some twice
    stand = row(NOON, 1, 0, "A|1|false", pace=0.5, busy=True)
    write_rows(client, WHOLE.backfill_table, [stand])
    whole_set = build(client, "whole", LATE, 0, END)
    before = tables(client)
    sliced = build(client, "sliced", LATE, 0, END, slice_rows=slice_rows)
    assert read(client, sliced).equals(read(client, whole_set))
    assert sliced.content_hash == whole_set.content_hash
    assert sliced.rows == 48
    assert read(client, sliced)[FEATURE].null_count < sliced.rows
    assert tables(client) - before == {sliced.table}


def tables(client: Client) -> set[str]:
    return {name for (name,) in client.query("SHOW TABLES").result_rows}


def test_a_set_is_recorded_with_its_origin_its_delay_and_the_models_contract(client: Client) -> None:
    delayed = replace(LATE, serving_delay_ms=1_500)
    for plan, origin in ((LATE, BACKFILL), (delayed, STREAM)):
        stored = build(client, "kept", plan, 0, END, origin=origin)
        assert stored.serving_delay_ms == plan.serving_delay_ms
        assert find(client, "kept", plan) == stored
    found = client.query("SELECT origin, serving_delay_ms, contract FROM datasets FINAL ORDER BY version")
    recorded = [(origin, delay, ModelPlan.from_dict(json.loads(c))) for origin, delay, c in found.result_rows]
    assert recorded == [(BACKFILL, 0, LATE), (STREAM, 1_500, delayed)]


def test_the_newest_set_is_found_by_name_and_model(client: Client) -> None:
    publish(client, landing("one", NOON + 3 * HOUR))
    assert find(client, "kept", LATE) is None
    build(client, "kept", LATE, 0, END)
    newest = build(client, "kept", LATE, 0, NOON)
    assert newest.rows == 0
    assert newest.group_versions == {"plain": 1, "whole": 2}
    assert find(client, "kept", LATE) == newest
    assert find(client, "kept", replace(LATE, name="other")) is None
    assert find(client, "other", LATE) is None


def test_a_set_is_read_in_order_of_prediction_with_the_vectors_columns(client: Client) -> None:
    at = NOON + 9 * HOUR
    dues = {"b": NOON + 3 * HOUR, "c": NOON + 2 * HOUR, "a": NOON + 3 * HOUR}
    publish(client, *(landing(name, at, due) for name, due in dues.items()))
    table = read(client, build(client, "ordered", LATE, 0, END))
    assert table["request_id"].to_pylist() == ["c", "a", "b"]
    assert tuple(table.column_names) == ("request_id", "prediction_time", "label_time", "label", *LATE.names)
    assert LATE.names == (FEATURE, "whole.pace", "whole.busy", "hour", "evening")
