import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from features import (
    DataType,
    DefinitionError,
    Entity,
    FeatureGroup,
    Freshness,
    Source,
    count,
    last,
    mean,
    share,
    total,
)
from features.aggregates import Aggregate
from features.compile import compile_group
from features.compile_inputs import compile_source
from features.plan import GroupPlan
from tests.definitions import carrier, landed, lifetime, plain, stand, whole

Change = Callable[[FeatureGroup], FeatureGroup]


def source(group: FeatureGroup, **changed: object) -> FeatureGroup:
    return replace(group, source=replace(group.source, **changed))  # type: ignore[arg-type]


def first(group: FeatureGroup, aggregate: Aggregate) -> FeatureGroup:
    return replace(group, aggregates=[aggregate, *group.aggregates[1:]])


BASE = replace(
    plain,
    where="not diverted",
    columns={"late": "delay > 15"},
    aggregates=[count("late", over="1h", name="a"), mean("delay", over="1h", name="b")],
    derived={"c": "a + 1", "d": "b * 2"},
)
MEANT: dict[str, Change] = {
    "name": lambda g: replace(g, name="other"),
    "version": lambda g: replace(g, version=2),
    "entity's name": lambda g: replace(g, entity=Entity("airline", keys=("carrier",))),
    "entity's keys": lambda g: replace(g, entity=Entity("carrier", keys=("carrier", "gate"))),
    "order of the entity's keys": lambda g: replace(g, entity=Entity("carrier", keys=("gate", "carrier"))),
    "source's name": lambda g: source(g, name="other"),
    "event time": lambda g: source(g, event_time="due"),
    "event id": lambda g: source(g, event_id="carrier"),
    "partition key": lambda g: source(g, partition_key="carrier"),
    "dedup": lambda g: source(g, dedup="2h"),
    "clock skew": lambda g: source(g, max_clock_skew="6m"),
    "partitions": lambda g: source(g, partitions=2),
    "where": lambda g: replace(g, where="diverted"),
    "no where": lambda g: replace(g, where=None),
    "row column": lambda g: replace(g, columns={"late": "delay > 16"}),
    "operation": lambda g: first(g, share("late", over="1h", name="a")),
    "argument": lambda g: first(g, count("delay", over="1h", name="a")),
    "window": lambda g: first(g, count("late", over="2h", name="a")),
    "lifetime": lambda g: first(g, count("late", name="a")),
    "hop": lambda g: first(g, count("late", over="1h", hop="30m", name="a")),
    "order of aggregates": lambda g: replace(g, aggregates=list(g.aggregates)[::-1]),
    "aggregate's name": lambda g: replace(
        g,
        aggregates=[count("late", over="1h", name="e"), g.aggregates[1]],
        derived={"c": "e + 1", "d": "b * 2"},
    ),
    "derived": lambda g: replace(g, derived={"c": "a + 2", "d": "b * 2"}),
    "derived feature's name": lambda g: replace(g, derived={"e": "a + 1", "d": "b * 2"}),
    "derived feature's type": lambda g: replace(g, derived={"c": "a + 1.0", "d": "b * 2"}),
    "order of derived": lambda g: replace(g, derived={"d": "b * 2", "c": "a + 1"}),
    "lag": lambda g: replace(g, freshness=Freshness(expected_max_lag="11m")),
    "alert": lambda g: replace(g, freshness=Freshness(alert_threshold_minutes=31)),
    "on_stale": lambda g: replace(g, freshness=Freshness(on_stale="refuse")),
    "quiet": lambda g: replace(g, freshness=Freshness(quiet_after="12h")),
    "default": lambda g: replace(g, defaults={"a": 0}),
    "default's feature": lambda g: replace(g, defaults={"b": 0}),
    "owner": lambda g: replace(g, owner="other"),
    "meaning": lambda g: replace(g, meaning="other"),
}
UNMEANT: dict[str, Change] = {
    "spelling of an expression": lambda g: replace(g, where=" NOT  (diverted) -- why"),
    "spelling of a duration": lambda g: source(g, dedup="60m", max_clock_skew="300s"),
    "spelling of a window": lambda g: first(g, count("late", over="60m", hop="60s", name="a")),
    "a row column that nothing reads": lambda g: replace(g, columns={**g.columns, "spare": "delay > 1"}),
}


@pytest.mark.parametrize("change", MEANT.values(), ids=MEANT)
def test_a_change_of_meaning_is_another_contract(change: Change) -> None:
    before, after = compile_group(BASE), compile_group(change(BASE))
    assert before.to_json() != after.to_json()
    assert before.contract_hash != after.contract_hash


@pytest.mark.parametrize("change", UNMEANT.values(), ids=UNMEANT)
def test_another_spelling_is_the_same_contract(change: Change) -> None:
    assert compile_group(change(BASE)).contract_hash == compile_group(BASE).contract_hash


def with_field(folder: Path, name: str, avro_type: str) -> Source:
    """Give the landings with one field more, or with another type of one."""
    avro = dict(landed().avro)
    others = [f for f in avro["fields"] if f["name"] != name]
    avro["fields"] = [*others, {"name": name, "type": avro_type}]
    (folder / "changed.avsc").write_text(json.dumps(avro))
    return landed(schema=folder / "changed.avsc")


def test_a_column_that_a_group_reads_is_part_of_its_contract_and_no_other(tmp_path: Path) -> None:
    standing = compile_group(BASE).contract_hash
    for name in ("more", "seats"):
        changed = replace(BASE, source=with_field(tmp_path, name, "string"))
        assert compile_group(changed).contract_hash == standing
    changed = replace(BASE, source=with_field(tmp_path, "delay", "int"))
    assert compile_group(changed).contract_hash != standing


def test_the_schema_file_may_move(tmp_path: Path) -> None:
    (tmp_path / "moved.avsc").write_text(json.dumps(landed().avro))
    moved = replace(BASE, source=landed(schema=tmp_path / "moved.avsc"))
    assert compile_group(moved).contract_hash == compile_group(BASE).contract_hash


def test_names_are_those_of_topics_and_tables() -> None:
    plan = compile_group(whole)
    assert (plan.label, plan.topic) == ("whole.v2", "features.whole.v2")
    assert (plan.table, plan.backfill_table) == ("features_whole_v2", "backfill_whole_v2")


def test_aggregates_are_named_by_column_operation_and_window() -> None:
    chosen = [
        count(),
        count(over="1h"),
        count("late", over="90m"),
        total("seats", over="7d"),
        last("carrier"),
    ]
    plan = compile_group(replace(BASE, aggregates=chosen, derived={}))
    assert [f.name for f in plan.features] == [
        *("count", "count_1h", "late_count_90m", "seats_sum_7d", "carrier_last")
    ]


def test_what_is_referred_to_is_put_in_its_place() -> None:
    columns = {"late": "delay > 15", "worse": "late and delay > 60"}
    derived = {"twice": "a * 2", "more": "twice + 1"}
    plan = compile_group(
        replace(
            BASE,
            columns=columns,
            derived=derived,
            aggregates=[share("worse", over="1h", name="a")],
            where="late",
        )
    )
    contract = plan.to_dict()
    assert contract["where"] == "(delay > 15.0)"
    assert contract["arguments"][0]["expression"] == "((delay > 15.0) AND (delay > 60.0))"
    assert [d["expression"] for d in contract["derived"]] == ["(a * 2.0)", "((a * 2.0) + 1.0)"]


@pytest.mark.parametrize(
    ("partitions", "partition_key", "entity", "order", "dedup"),
    [
        (1, "id", carrier, "arrival", "partition"),
        (3, "id", carrier, "log", "partition"),
        (3, "carrier", carrier, "log", "keyed"),  # a duplicate may stand in another partition
        (3, "id", Entity("flight", keys=("id",)), "arrival", "partition"),
        (3, "id", stand, "log", "partition"),
    ],
)
def test_events_wait_for_other_partitions_only_where_they_must(
    partitions: int, partition_key: str, entity: Entity, order: str, dedup: str
) -> None:
    group = source(replace(BASE, entity=entity), partitions=partitions, partition_key=partition_key)
    plan = compile_group(group)
    assert (plan.order, plan.source.dedup) == (order, dedup)


def test_the_columns_that_a_group_reads() -> None:
    columns = [list(compile_group(g).to_dict()["sources"][0]["columns"]) for g in (BASE, lifetime)]
    assert columns[0] == ["carrier", "delay", "diverted", "id", "landed_at"]
    assert columns[1] == ["carrier", "delay", "due", "gate", "id", "landed_at", "seats"]


def test_the_avro_schema_holds_every_feature_as_nullable() -> None:
    fields = {f["name"]: f for f in compile_group(whole).avro_schema()["fields"]}
    assert list(fields)[:7] == [
        "entity",
        "event_timestamp",
        "last_event_time",
        "seq",
        "topic",
        "partition",
        "offset",
    ]
    assert fields["busy"] == {"name": "busy", "type": ["null", "boolean"], "default": None}
    assert fields["seats_last_1h"]["type"] == ["null", "long"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda g: replace(g, aggregates=[mean("dely", over="1h")]),
            "group plain v1, aggregate dely_mean_1h: an aggregate names a column of the source or of "
            "the group (id, "
            "landed_at, carrier, gate, delay, seats, diverted, due, late) (found 'dely'); there is "
            "nothing to aggregate",
        ),
        (
            lambda g: replace(g, aggregates=[mean("carrier", over="1h")]),
            "group plain v1, aggregate carrier_mean_1h: mean takes a bigint or double column "
            "(found 'carrier: string'); it cannot be computed",
        ),
        (
            lambda g: replace(g, aggregates=[share("delay", over="1h")]),
            "share takes a boolean column (found 'delay: double'); it cannot be computed",
        ),
        (
            lambda g: replace(g, aggregates=[last("due")]),
            "last takes a bigint or boolean or double or string column",
        ),
        (
            lambda g: replace(g, aggregates=[]),
            "group plain v1: a group has at least one aggregate; its rows would be empty",
        ),
        (
            lambda g: replace(g, aggregates=[count(over="1h"), count(over="1h", hop="30m")], derived={}),
            "group plain v1: each feature of a group has a name of its own (found 'count_1h'); one "
            "would hide the other",
        ),
        (
            lambda g: replace(g, derived={"a": "b + 1"}),
            "group plain v1, derived, a: a name is given once (found 'a'); it would be ambiguous",
        ),
        (
            lambda g: replace(g, columns={"delay": "seats > 1"}),
            "group plain v1, columns, delay: a name is given once (found 'delay'); it would be ambiguous",
        ),
        (
            lambda g: replace(g, aggregates=[count(name="seq")], derived={}),
            "are columns of every row (found 'seq'); it would hide one",
        ),
        (
            lambda g: replace(g, derived={"event_timestamp": "a"}),
            "are columns of every row (found 'event_timestamp')",
        ),
        (
            lambda g: replace(g, columns={"late": "delay > 15", "ts": "late"}),
            "are columns of every row (found 'ts')",
        ),
        (
            lambda g: replace(g, name="Plain"),
            "group Plain v1: a name is lower-case letters, digits and _, at most 63 (found 'Plain'); "
            "an engine could not spell it",
        ),
        (
            lambda g: replace(g, version=0),
            "group plain v0: a version is 1 or more (found 0); it cannot be ordered",
        ),
        (
            lambda g: replace(g, entity=Entity("tail")),
            "group plain v1: entity tail is keyed by columns of landed (id, landed_at, "
            "carrier, gate, delay, seats, diverted, due) (found 'tail'); "
            "events could not be told apart by entity",
        ),
        (
            lambda g: replace(g, entity=Entity("delay")),
            "an entity is keyed by text, integers, booleans or timestamps (found 'delay'); "
            "engines write doubles in different ways",
        ),
        (
            lambda g: replace(g, where="delay + 1"),
            "group plain v1, where: a condition is boolean (found 'delay + 1'); no event could be kept",
        ),
        (lambda g: replace(g, where="soundex(carrier) = 'A'"), "group plain v1, where: expression"),
        (
            lambda g: replace(g, where="ln(delay) > 1"),
            "group plain v1, where: expression 'ln(delay) > 1', at 'LN(delay)': only derived and on_demand "
            "may use it, for engines may differ by some ulps; the three engines would not agree on it",
        ),
        (
            lambda g: replace(g, columns={"c": "power(delay, 2)"}),
            "group plain v1, columns, c: expression 'power(delay, 2)', at 'POWER(delay, 2)': only derived",
        ),
        (
            lambda g: replace(g, derived={"c": "a + delay"}),
            "group plain v1, derived, c: expression 'a + delay', at 'delay': an expression names known "
            "columns (a, b)",
        ),
        (
            lambda g: replace(g, derived={"c": "d + 1", "d": "a + 1"}),
            "group plain v1, derived, c: expression 'd + 1', at 'd': an expression names known columns "
            "(a, b)",
        ),
        (
            lambda g: replace(g, freshness=Freshness(on_stale="ignore")),
            "group plain v1, freshness: on_stale is serve, default or refuse (found 'ignore'); "
            "a reader would not know what it gets",
        ),
        (
            lambda g: replace(g, freshness=Freshness(expected_max_lag="soon")),
            "group plain v1, expected_max_lag: a duration is a positive whole number and one of ms, s, "
            "m, h, d "
            "(found 'soon'); its length is unknown",
        ),
        (
            lambda g: replace(g, freshness=Freshness(quiet_after="29m")),
            "group plain v1, freshness: quiet_after is no less than alert_threshold_minutes (found '29m'); "
            "a quiet source would be told of before a pipeline that stands still",
        ),
        (lambda g: source(g, dedup="0s"), "source landed, dedup: a duration is a positive whole number"),
        (
            lambda g: source(g, max_clock_skew="5"),
            "source landed, max_clock_skew: a duration is a positive whole",
        ),
        (
            lambda g: source(g, event_id="key"),
            "source landed: event_id names a column of the schema (id, landed_at, carrier, gate, "
            "delay, seats, "
            "diverted, due) (found 'key'); the source cannot be read",
        ),
        (
            lambda g: source(g, name="alerts"),
            "a source is named like none of the topics, tables and views that are Augury's own "
            "(found 'alerts'); its records would mix with theirs",
        ),
        (lambda g: source(g, name="clocked_landed"), "topics, tables and views that are Augury's own"),
        (lambda g: source(g, name="taken"), "topics, tables and views that are Augury's own"),
        (
            lambda g: source(g, event_time="delay"),
            "source landed: event_time is a timestamp-millis column (found 'delay: double'); no window "
            "could be told",
        ),
        (
            lambda g: source(g, partitions=0),
            "source landed: a topic has at least one partition (found 0); it cannot be made",
        ),
    ],
)
def test_a_mistake_is_refused_with_rule_consequence_and_place(change: Change, message: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        compile_group(change(BASE))
    assert message in str(refused.value)


def test_derived_features_may_be_inexact() -> None:
    plan = compile_group(replace(plain, derived={"busy": "ln(count_1h + 1)", "busier": "exp(busy)"}))
    assert [d.type for d in plan.derived] == [DataType.DOUBLE, DataType.DOUBLE]


def test_a_hop_without_a_window_is_refused() -> None:
    with pytest.raises(
        DefinitionError, match=r"count\(x\): a hop belongs to a window \(found '5m'\); a lifetime has no"
    ):
        count("x", hop="5m")


def test_a_model_names_features_that_the_group_has() -> None:
    with pytest.raises(
        DefinitionError, match=r"that the group has \(count_1h, delay_mean_1h\) \(found 'pace'\)"
    ):
        plain["pace"]


@pytest.mark.parametrize("name", ["log_time", "topic", "t", "_offset", "Delay"])
def test_a_field_that_would_hide_a_rows_own_column_is_refused(tmp_path: Path, name: str) -> None:
    avro = dict(landed().avro)
    avro["fields"] = [*avro["fields"], {"name": name, "type": "int"}]
    (tmp_path / "more.avsc").write_text(json.dumps(avro))
    with pytest.raises(DefinitionError, match=f"source landed, field {name}: "):
        compile_source(landed(schema=tmp_path / "more.avsc"))


def test_types_of_features() -> None:
    plan: GroupPlan = compile_group(whole)
    types = {f.name: f.type for f in plan.features}
    assert types["delay_sum_1h"] is types["delay_min_1h"] is types["seats_mean_1h"] is DataType.DOUBLE
    assert types["seats_sum_1h"] is types["seats_max_1h"] is types["count_1h"] is DataType.INTEGER
    assert types["late_share_1h"] is DataType.DOUBLE
    assert types["late_last_1h"] is types["busy"] is DataType.BOOLEAN
    assert types["carrier_last"] is DataType.TEXT


def test_a_source_reads_its_columns_in_the_schemas_order() -> None:
    plan = compile_source(Source("landed", landed().schema, "landed_at", "id", "id"))
    assert list(plan.columns.items())[:3] == [
        ("id", DataType.TEXT),
        ("landed_at", DataType.TIMESTAMP),
        ("carrier", DataType.TEXT),
    ]
    assert (plan.dedup_ms, plan.max_clock_skew_ms) == (86_400_000, 300_000)
