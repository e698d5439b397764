"""What a job's SQL must say, apart from the golden texts; what it means is shown on the running stack."""

import json
import re
from dataclasses import replace

import pytest

from features import Entity, count, last
from features.compile import compile_group
from features.expressions import Call, Literal, parse
from features.expressions.operations import CANONICAL
from features.handover import Handover
from features.plan import GroupPlan
from features.types import MAX_TIME, MIN_TIME, DataType
from streams import sql
from streams.dialect import FLINK
from tests.definitions import GROUPS, lifetime, plain, whole
from tests.expressions_table import COLUMNS, SHEETS, Sheet

AT = sql.Addresses(
    "log:9092", "http://registry/apis/ccompat/v7", {"security.protocol": "SSL", "sasl.jaas": "a'b"}
)
PLANS = [compile_group(group) for group in GROUPS]


def columns(table: str) -> list[str]:
    """Name a table's columns in order."""
    return re.findall(r"^  `(\w+)` ", table.partition(") WITH (")[0], re.M)


@pytest.mark.parametrize("plan", PLANS, ids=lambda p: p.name)
def test_the_rows_fit_the_table_and_the_schema(plan: GroupPlan) -> None:
    fields = [f["name"] for f in plan.avro_schema()["fields"]]
    selected = re.findall(r"`(\w+)`,?$", sql.rows(plan), re.M)
    assert columns(sql.rows_table(plan, AT)) == selected == fields
    written = re.search(r"'value.augury-avro.schema' = '(.*)'", sql.rows_table(plan, AT))
    assert written is not None
    assert json.loads(written[1].replace("''", "'")) == plan.avro_schema()


@pytest.mark.parametrize("plan", PLANS, ids=lambda p: p.name)
def test_the_source_has_the_contracts_columns_then_the_records_place(plan: GroupPlan) -> None:
    found = columns(sql.source_table(plan, plan.source, AT))
    assert found == [
        *plan.to_dict()["sources"][0]["columns"],
        "_topic",
        "_partition",
        "_offset",
        "_kafka_time",
    ]


@pytest.mark.parametrize("plan", PLANS, ids=lambda p: p.name)
def test_the_events_give_the_arguments_in_the_plans_order(plan: GroupPlan) -> None:
    named = re.findall(r"AS `(\w+)`", sql.events(plan))
    place = ["entity", "ts", "topic", "partition", "offset"]
    assert named == [*place, *(a.name for a in plan.arguments)]


def test_every_table_is_given_the_clients_settings_quoted() -> None:
    plan = compile_group(plain)
    for table in (
        sql.source_table(plan, plan.source, AT),
        sql.rows_table(plan, AT),
        sql.refused_table(AT),
        sql.clocks_table(AT),
    ):
        assert "'properties.bootstrap.servers' = 'log:9092'" in table
        assert "'properties.security.protocol' = 'SSL'" in table
        assert "'properties.sasl.jaas' = 'a''b'" in table


def test_only_a_group_with_a_condition_has_one() -> None:
    assert "WHERE" not in sql.events(compile_group(plain))
    assert sql.events(compile_group(lifetime)).endswith("\nWHERE (NOT (`carrier` IS NULL))")


def test_a_feature_topic_is_keyed_by_entity_and_the_others_are_not() -> None:
    assert "'key.fields' = 'entity'" in sql.rows_table(compile_group(plain), AT)
    assert "key.fields" not in sql.refused_table(AT) + sql.clocks_table(AT)


@pytest.mark.parametrize("plan", PLANS, ids=lambda p: p.name)
def test_the_clock_step_finds_its_columns_by_position(plan: GroupPlan) -> None:
    driven = json.loads(sql.clock_plan(plan, plan.source))
    names = list(plan.read(plan.source))
    assert names[driven["event_id"]] == plan.source.event_id
    assert names[driven["event_time"]] == plan.source.event_time
    assert (driven["dedup"], driven["dedup_ms"]) == (plan.source.dedup, plan.source.dedup_ms)
    assert (driven["min_time"], driven["max_time"]) == (MIN_TIME, MAX_TIME)


def test_a_texts_quotes_do_not_end_it() -> None:
    group = replace(plain, where="carrier = 'it''s; --'", aggregates=[count(), last("carrier")])
    assert sql.events(compile_group(group)).endswith("WHERE (`carrier` = 'it''s; --')")


def test_a_text_key_is_escaped_and_any_other_is_spelled_first() -> None:
    keys = [("carrier", DataType.TEXT), ("gate", DataType.INTEGER), ("diverted", DataType.BOOLEAN)]
    text = sql.entity_text(keys)
    assert text.startswith(r"REPLACE(REPLACE(`carrier`, '\', '\\'), '|', '\|') || '|' || REPLACE(")
    assert "CAST(`gate` AS STRING)" in text
    assert "CASE WHEN `diverted` THEN 'true' WHEN NOT `diverted` THEN 'false' END" in text
    group = replace(whole, entity=Entity("carrier"))
    assert sql.events(compile_group(group)).count("'|' ||") == 0


def test_every_operation_is_spelled() -> None:
    assert FLINK.operations.keys() == CANONICAL.operations.keys()


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda s: s.name)
def test_every_expression_of_the_table_is_spelled(sheet: Sheet) -> None:
    for expression in sheet.expressions:
        assert FLINK.render(expression)


def test_an_operation_that_is_not_listed_is_refused() -> None:
    with pytest.raises(KeyError, match="soundex"):
        FLINK.render(Call("soundex", (Literal("a", DataType.TEXT),), DataType.TEXT))


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("x > 0.1", "(`x` > CAST('0.1' AS DOUBLE))"),
        ("x > 1e22", "(`x` > CAST('1e+22' AS DOUBLE))"),
        ("i > -1", "(`i` > CAST(-1 AS BIGINT))"),
        ("nullif(s, '')", "CASE WHEN (`s` = '') THEN CAST(NULL AS STRING) ELSE `s` END"),
        ("i / j", "(CAST(`i` AS DOUBLE) / NULLIF(CAST(`j` AS DOUBLE), 0E0))"),
    ],
)
def test_constants_have_one_type(text: str, spelled: str) -> None:
    assert FLINK.render(parse(text, COLUMNS, "here")) == spelled


@pytest.mark.parametrize("plan", PLANS, ids=lambda p: p.name)
def test_a_job_begins_at_a_cut_as_long_before_as_duplicates_are_told(plan: GroupPlan) -> None:
    handed = Handover(10**12, "seed.a")
    for source in plan.inputs:
        table = sql.source_table(plan, source, AT, handed)
        assert f"'scan.startup.timestamp-millis' = '{10**12 - source.dedup_ms}'" in table
        assert "earliest-offset" not in table
    early = sql.source_table(plan, plan.source, AT, Handover(0, "seed.a"))
    assert "'scan.startup.timestamp-millis' = '0'" in early  # Kafka takes no time below
    assert sql.taken(plan, handed).count(f"WHERE `t` >= {10**12}") == len(plan.sources)
