"""clickhouse-connect, unchanged."""

import datetime
import gzip
import io
from typing import Any

import fastavro
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, StreamFailureError
from clickhouse_connect.driver.external import ExternalData

from tests.warehouse.door.running import Running

NOON = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)


@pytest.fixture
def client(door: Running) -> Any:
    client = door.client()
    client.command("DROP TABLE IF EXISTS events")
    client.command(
        """CREATE TABLE events (
            id UInt64, at DateTime64(3, 'UTC'), name LowCardinality(String), value Nullable(Float64),
            tags Array(String), good Bool
        ) ENGINE = ReplacingMergeTree ORDER BY id SETTINGS non_replicated_deduplication_window = 100"""
    )
    yield client
    client.close()


def rows(count: int) -> list[list[Any]]:
    return [[i, NOON, f"n{i % 3}", None if i % 2 else i / 4, ["a", str(i)], i % 2 == 0] for i in range(count)]


COLUMNS = ["id", "at", "name", "value", "tags", "good"]


@pytest.mark.parametrize("compress", [False, "lz4", "zstd", "gzip"])
def test_what_is_inserted_is_read(client: Any, door: Running, compress: bool | str) -> None:
    own = door.client(compress=compress)
    assert own.insert("events", rows(1000), column_names=COLUMNS).written_rows == 1000
    found = own.query("SELECT * FROM events ORDER BY id", query_tz="UTC").result_rows
    assert [list(row) for row in found] == [[r[0], NOON.replace(tzinfo=None), *r[2:]] for r in rows(1000)]
    own.close()


def test_typed_parameters(client: Any) -> None:
    client.insert("events", rows(10), column_names=COLUMNS)
    found = client.query(
        "SELECT {s:String}, {a:Array(String)}, {d:DateTime64(3)}, count() FROM events WHERE id < {n:UInt64}",
        parameters={"s": "it's\t\\", "a": ["x'y", "z"], "d": NOON, "n": 4},
    ).first_row
    assert found[:2] == ("it's\t\\", ["x'y", "z"])
    assert found[3] == 4
    client.command(
        "INSERT INTO events (id, name) VALUES ({i:UInt64}, {n:String})", parameters={"i": 77, "n": "q'q"}
    )
    assert client.query("SELECT name FROM events WHERE id = 77").first_row == ("q'q",)


def test_parameters_too_long_for_an_address(client: Any) -> None:
    client.insert("events", rows(10), column_names=COLUMNS)
    sql = "SELECT count() FROM events WHERE id IN (SELECT arrayJoin({ids:Array(UInt64)}))"
    assert client.query(sql, parameters={"ids": list(range(5, 60_000))}).first_row == (5,)


def test_an_external_table(client: Any) -> None:
    client.insert("events", rows(10), column_names=COLUMNS)
    extra = ExternalData(
        file_name="extra", data=b"3\tx\n4\ty\n", fmt="TSV", structure="id UInt64, mark String"
    )
    found = client.query("SELECT id, mark FROM extra JOIN events USING id ORDER BY id", external_data=extra)
    assert found.result_rows == [(3, "x"), (4, "y")]


def test_frames_arrays_and_streams(client: Any) -> None:
    client.insert("events", rows(10), column_names=COLUMNS)
    frame = client.query_df("SELECT id, value FROM events ORDER BY id")
    assert frame["id"].tolist() == list(range(10))
    assert frame["value"].isna().sum() == 5
    assert client.query_np("SELECT id FROM events ORDER BY id")[:, 0].tolist() == list(range(10))
    assert client.query_arrow("SELECT id FROM events ORDER BY id")["id"].to_pylist() == list(range(10))
    many = "SELECT number, toString(number) AS text FROM numbers(500000)"
    with client.query_row_block_stream(many) as blocks:
        assert sum(len(block) for block in blocks) == 500_000
    with client.query_df_stream(many) as frames:
        assert sum(len(frame) for frame in frames) == 500_000
    with client.query_arrow_stream(many) as tables:
        assert sum(len(table) for table in tables) == 500_000


def test_results_without_rows(client: Any) -> None:
    assert client.query("SELECT id, name FROM events LIMIT 0").column_names == ("id", "name")
    assert client.query("SELECT id FROM events WHERE 0").result_rows == []
    assert client.command("SELECT id FROM events WHERE 0") == ""


def test_frames_and_files_are_inserted(client: Any) -> None:
    client.insert_df("events", pd.DataFrame({"id": [1, 2], "name": ["a", "b"], "value": [1.5, np.nan]}))
    client.insert_arrow("events", pa.table({"id": pa.array([3], pa.uint64()), "name": ["c"]}))
    parquet = io.BytesIO()
    pq.write_table(pa.table({"id": pa.array([4], pa.uint64()), "name": ["d"]}), parquet)
    client.raw_insert("events", ["id", "name"], parquet.getvalue(), fmt="Parquet")
    avro = io.BytesIO()
    schema = {
        "type": "record",
        "name": "r",
        "fields": [{"name": "id", "type": "long"}, {"name": "name", "type": "string"}],
    }
    fastavro.writer(avro, schema, [{"id": 5, "name": "e"}])
    client.raw_insert("events", ["id", "name"], avro.getvalue(), fmt="Avro")
    client.raw_insert("events", ["id", "name"], gzip.compress(b"6,f\n"), fmt="CSV", compression="gzip")
    client.raw_insert("events", ["id", "name"], iter([b"7,g\n", b"8,h\n"]), fmt="CSV")
    found = client.query("SELECT id, name, value FROM events ORDER BY id").result_rows
    names = zip(range(1, 9), "abcdefgh", [1.5, *[None] * 7], strict=True)
    assert found == list(names)


def test_an_insert_told_twice_is_done_once(client: Any) -> None:
    for _ in range(3):
        client.insert("events", rows(5), column_names=COLUMNS, settings={"insert_deduplication_token": "one"})
    client.insert("events", rows(5), column_names=COLUMNS, settings={"insert_deduplication_token": "two"})
    assert client.command("SELECT count() FROM events") == 10


def test_databases(client: Any, door: Running) -> None:
    client.command("CREATE DATABASE IF NOT EXISTS augury")
    other = door.client(database="augury")
    other.command("CREATE OR REPLACE TABLE here (a UInt8) ENGINE = Memory")
    assert other.command("SHOW TABLES") == "here"
    assert client.command("SELECT database FROM system.tables WHERE name = 'here'") == "augury"
    other.close()


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT * FROM nowhere", 60),
        ("SELECT {x:UInt8}", 456),
        ("SELECT toDate('x')", 38),
        ("SELECT 1 FROM", 62),
    ],
)
def test_errors_carry_their_code(client: Any, sql: str, code: int) -> None:
    with pytest.raises(DatabaseError) as failed:
        client.query(sql)
    assert failed.value.code == code


def test_an_error_in_mid_stream(client: Any) -> None:
    sql = "SELECT throwIf(number = 3000000, 'broken') FROM numbers(10000000) SETTINGS max_threads = 1"
    with pytest.raises(StreamFailureError, match="broken"), client.query_row_block_stream(sql) as blocks:
        for _ in blocks:
            pass


def test_a_refused_insert_leaves_nothing(client: Any) -> None:
    with pytest.raises(DatabaseError):
        client.raw_insert("events", ["id", "name"], b"1,a\nnone,b\n", fmt="CSV")
    assert client.command("SELECT count() FROM events") == 0
