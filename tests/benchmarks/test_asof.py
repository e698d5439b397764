import pytest

from benchmarks.asof import END, EVER, START, definitions, differences, failed, generate, model
from benchmarks.common import Result, warehouse
from features.compile import compile_group
from warehouse.datasets import build

NAMES = [name.replace(".", "__") for name in model().names]


def test_the_data_have_what_the_join_must_heed_and_a_value_that_differs_is_found() -> None:
    with warehouse(memory_mb=1024) as running:
        client, groups = running.client, [compile_group(group) for group in definitions()]
        generate(client, groups, 2_000, 10_000)
        table = groups[0].backfill_table
        assert client.query(f"SELECT count() FROM {table}").result_rows == [(2_020,)]
        rows, moments = client.query(
            f"SELECT count(), uniqExact(entity, event_timestamp) FROM {table} FINAL"
        ).result_rows[0]
        assert (rows, moments) == (2_000, 1_900)
        stored = build(client, "asof", model(), EVER, END)
        assert stored.rows == 2_000
        first, none, some = client.query(
            f"SELECT toUnixTimestamp64Milli(min(prediction_time)), countIf(isNull({NAMES[0]})), "
            f"countIf(isNotNull({NAMES[0]})) FROM {stored.table}"
        ).result_rows[0]
        assert first < START
        assert min(none, some) > 100
        client.command(
            f"CREATE TABLE same ENGINE MergeTree ORDER BY request_id AS SELECT * FROM {stored.table}"
        )
        assert differences(client, NAMES, stored.table, "same") == (2_000 * len(NAMES), 0)
        for name, condition in (("other", "isNotNull"), ("filled", "isNull")):
            client.command(
                f"CREATE TABLE {name} ENGINE MergeTree ORDER BY request_id AS SELECT * "
                f"REPLACE (if({condition}({NAMES[0]}), 0.5, {NAMES[0]}) AS {NAMES[0]}) FROM {stored.table}"
            )
        assert differences(client, NAMES, stored.table, "other") == (2_000 * len(NAMES), some)
        assert differences(client, NAMES, stored.table, "filled") == (2_000 * len(NAMES), none)
        client.command("ALTER TABLE same DELETE WHERE request_id = '7' SETTINGS mutations_sync = 2")
        assert differences(client, NAMES, stored.table, "same") == (1_999 * len(NAMES), len(NAMES))


@pytest.mark.parametrize(
    ("compared", "unlike", "fails"), [(10, 0, False), (10, 1, True), (0, 0, True), (None, 0, True)]
)
def test_it_fails_where_values_differ_or_none_was_compared(
    compared: int | None, unlike: int, fails: bool
) -> None:
    held = [
        Result("a size", "Augury", "time", 1.0, "s"),
        Result("a size", "other", "differences", unlike, ""),
    ]
    if compared is not None:
        held.append(Result("a size", "other", "values compared", compared, ""))
    assert failed(held) is fails


def test_a_size_of_which_nothing_was_compared_fails_beside_one_that_was() -> None:
    held = [
        Result("small", "other", "values compared", 10, ""),
        Result("large", "other", "time", "over 900 s", "s"),
    ]
    assert failed(held)


def test_no_result_is_a_failure() -> None:
    assert failed([])
