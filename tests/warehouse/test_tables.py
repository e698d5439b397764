import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from features.compile import compile_group
from features.compile_inputs import compile_source
from tests.definitions import landed, whole
from warehouse.client import connect, migrate
from warehouse.tables import group_tables, source_table
from warehouse.targets import RECORDS, group_target, source_target, targets

pytestmark = pytest.mark.stack


@pytest.fixture
def client(stack: Any) -> Iterator[Client]:
    name = f"tables_{uuid.uuid4().hex[:12]}"
    client = connect(stack.settings.warehouse_url, database=name)
    yield client
    client.command(f"DROP DATABASE {name}")
    client.close()


def described(client: Client, table: str) -> dict[str, str]:
    return {row[0]: row[1] for row in client.query(f"DESCRIBE TABLE {table}").result_rows}


def keys(client: Client, table: str) -> str:
    return str(
        client.query(
            "SELECT sorting_key FROM system.tables WHERE database = {db:String} AND name = {name:String}",
            parameters={"db": client.database, "name": table},
        ).result_rows[0][0]
    )


def test_migrations_run_once(client: Client) -> None:
    assert migrate(client)[0] == "0001_records"
    assert migrate(client) == []
    again = connect(client.url, database=str(client.database))
    assert migrate(again) == []
    again.close()


def test_an_unfinished_migration_runs_again(client: Client) -> None:
    done = migrate(client)
    client.command("DROP TABLE alerts")
    client.command("TRUNCATE TABLE schema_migrations")
    assert migrate(client) == done
    assert "alert_id" in described(client, "alerts")


def test_record_targets_fit_their_tables(client: Client) -> None:
    migrate(client)
    for target in RECORDS.values():
        # what the table works out by itself is not written
        computed = client.query(
            "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = {table:String} "
            "AND (default_kind = 'MATERIALIZED' OR startsWith(default_expression, 'now64'))",
            parameters={"table": target.table},
        )
        written = set(described(client, target.table)) - {name for (name,) in computed.result_rows}
        assert set(target.columns) == written


def test_a_source_table(client: Client) -> None:
    source = compile_source(landed())
    for _ in range(2):
        client.command(source_table(source))
    columns = described(client, "landed")
    assert tuple(columns) == source_target(source).columns
    assert columns["landed_at"] == "Nullable(DateTime64(3, 'UTC'))"
    assert (columns["delay"], columns["seats"]) == ("Nullable(Float64)", "Nullable(Int64)")
    assert (columns["log_time"], columns["log_offset"]) == ("DateTime64(3, 'UTC')", "Int64")
    assert keys(client, "landed") == "log_topic, log_partition, log_offset"


def test_group_tables(client: Client) -> None:
    plan = compile_group(whole)
    for statement in group_tables(plan) * 2:
        client.command(statement)
    columns = described(client, plan.table)
    assert columns == described(client, plan.backfill_table)
    assert tuple(columns) == group_target(plan).columns
    assert list(columns) == [field["name"] for field in plan.avro_schema()["fields"]]
    assert (columns["entity"], columns["seq"], columns["offset"]) == ("String", "Int64", "Nullable(Int64)")
    assert keys(client, plan.table) == "entity, seq"


def test_a_rows_target_gives_the_row() -> None:
    plan = compile_group(whole)
    target = group_target(plan)
    row = {field["name"]: number for number, field in enumerate(plan.avro_schema()["fields"])}
    assert target.row(row) == tuple(range(len(target.columns)))
    assert (target.log_columns, target.keeps_log) == (0, False)


def test_targets_of_a_project() -> None:
    plan = compile_group(whole)
    assert set(targets([plan.source], [plan])) == {plan.source.topic, plan.topic, *RECORDS}
