import gzip
import random
import socket

import httpx
import pytest

from tests.warehouse.door.running import Running
from warehouse.door.request import PIECE

INJECTED = "JSON; DROP TABLE kept"


def test_nothing_but_a_name_stands_after_format(door: Running) -> None:
    door.ask("CREATE TABLE kept (a UInt8) ENGINE = Memory")
    answers = [
        door.ask("SELECT 1 AS a", default_format=INJECTED),
        door.ask("SELECT 1 AS a", default_format="TSV\nSETTINGS max_threads = 1"),
        door.ask("SHOW DATABASES", default_format=INJECTED),
        door.ask("INSERT INTO kept", default_format=INJECTED),
        httpx.post(door.url, content="SELECT 1 AS a", headers={"X-ClickHouse-Format": INJECTED}),
    ]
    assert [answer.headers.get("X-ClickHouse-Exception-Code") for answer in answers] == ["73"] * len(answers)
    assert {answer.status_code for answer in answers} == {404}
    assert door.ask("SELECT count() FROM kept").text == "0\n"


def _sent(door: Running, name: str, structure: str, form: str = "TSV") -> httpx.Response:
    return httpx.post(
        door.url,
        params={"query": "SELECT sum(a) FROM sent"},
        data={f"{name}_structure": structure, f"{name}_format": form},
        files={name: b"1\n2\n"},
        timeout=60,
    )


def test_an_external_table_is_columns_and_no_more(door: Running) -> None:
    assert _sent(door, "sent", "a UInt8 -- a number").text == "3\n"
    assert (
        httpx.post(
            door.url,
            params={"query": "SELECT sum(_1) FROM sent"},
            data={"sent_types": "UInt8"},
            files={"sent": b"1\n2\n"},
        ).text
        == "3\n"
    )


@pytest.mark.parametrize(
    ("name", "structure", "form", "code"),
    [
        ("sent", "a UInt8) AS SELECT (1", "TSV", "62"),
        ("sent", "a UInt8); DROP TABLE t; SELECT (1", "TSV", "62"),
        ("sent", "a String DEFAULT file('/etc/passwd')", "TSV", "497"),
        ("sent", "a UInt8", "TSV; DROP TABLE t", "73"),
        ("sent (a UInt8) AS SELECT 1 --", "a UInt8", "TSV", "36"),
    ],
)
def test_an_external_table_that_is_more_is_refused(
    door: Running, name: str, structure: str, form: str, code: str
) -> None:
    assert _sent(door, name, structure, form).headers["X-ClickHouse-Exception-Code"] == code


def test_half_a_compressed_body_whose_end_comes_by_itself(door: Running) -> None:
    door.ask("CREATE TABLE halved (a String) ENGINE = MergeTree ORDER BY a")
    source = random.Random(7)
    rows = b"".join(source.randbytes(32).hex().encode() + b"\n" for _ in range(60_000))
    # One piece exactly: the door takes it whole, and what it takes next is the end and empty.
    half = gzip.compress(rows)[:PIECE]
    assert len(half) == PIECE
    head = (
        "POST /?query=INSERT+INTO+halved+FORMAT+TSV HTTP/1.1\r\nHost: door\r\nConnection: close\r\n"
        f"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n{PIECE:x}\r\n"
    )
    with socket.create_connection(("127.0.0.1", door.port), 30) as wire:
        wire.sendall(head.encode() + half + b"\r\n")
        door.until("SELECT count() FROM system.processes WHERE query LIKE 'INSERT INTO halved%'", "1")
        wire.sendall(b"0\r\n\r\n")
        answer = b"".join(iter(lambda: wire.recv(65536), b""))
    assert b"ends within a frame" in answer, answer
    assert b"x-clickhouse-exception-code: 117" in answer.lower()
    assert door.ask("SELECT count() FROM halved").text == "0\n"
