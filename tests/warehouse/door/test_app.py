import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import httpx
import pyarrow.parquet as pq
import pytest

from tests.warehouse.door.running import Running, Start
from warehouse.door.compression import Decoder
from warehouse.door.execution import PIECE

RUNNING = "SELECT count() FROM system.processes WHERE query NOT LIKE '%processes%'"


@pytest.mark.parametrize("path", ["ping", "replicas_status", ""])
def test_it_says_that_it_lives(door: Running, path: str) -> None:
    answer = httpx.get(door.url + path)
    assert (answer.status_code, answer.text) == (200, "Ok.\n")


def test_an_unknown_path(door: Running) -> None:
    assert httpx.get(door.url + "play").status_code == 404


def test_headers_of_an_answer(door: Running) -> None:
    answer = door.ask("SELECT number FROM numbers(3)", query_id="mine", default_format="JSONEachRow")
    assert answer.text == '{"number":0}\n{"number":1}\n{"number":2}\n'
    assert answer.headers["X-ClickHouse-Query-Id"] == "mine"
    assert answer.headers["X-ClickHouse-Format"] == "JSONEachRow"
    assert answer.headers["X-ClickHouse-Timezone"] == "UTC"
    assert answer.headers["X-ClickHouse-Server-Display-Name"]
    assert answer.headers["Content-Type"].startswith("application/x-ndjson")
    assert json.loads(answer.headers["X-ClickHouse-Summary"])["result_rows"] == "3"


def test_query_by_get_parameters_and_settings(door: Running) -> None:
    parameters = {
        "query": "SELECT {n:UInt8} + 1, {s:String}, {a:Array(String)}[2], getSetting('max_threads'), "
        "currentDatabase()",
        "param_n": "41",
        "param_s": "it's \\t a tab",
        "param_a": "['x','y\\'z']",
        "max_threads": "1",
        "database": "system",
    }
    answer = httpx.get(door.url, params=parameters)
    assert answer.text == "42\tit\\'s \\t a tab\ty\\'z\t1\tsystem\n"


def test_a_get_only_reads(door: Running) -> None:
    answer = httpx.get(door.url, params={"query": "CREATE TABLE got (a Int8) ENGINE = Memory"})
    assert (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"]) == (403, "164")
    assert httpx.get(door.url, params={"query": "SHOW DATABASES"}).status_code == 200


@pytest.mark.parametrize(
    ("form", "begins"),
    [
        ("Native", b"\x01\x02\x01a"),
        ("RowBinary", b"\x00" * 8),
        ("TSVWithNames", b"a\n0\n1\n"),
        ("CSV", b"0\n1\n"),
        ("JSON", b'{\n\t"meta"'),
        ("Arrow", b"ARROW1"),
        ("ArrowStream", b"\xff\xff\xff\xff"),
        ("Parquet", b"PAR1"),
    ],
)
def test_formats(door: Running, form: str, begins: bytes) -> None:
    for answer in (
        door.ask(f"SELECT number AS a FROM numbers(2) FORMAT {form} -- the end"),
        door.ask("SELECT number AS a FROM numbers(2) -- the end", default_format=form),
        httpx.post(
            door.url, content="SELECT number AS a FROM numbers(2)", headers={"X-ClickHouse-Format": form}
        ),
    ):
        assert answer.content.startswith(begins), answer.content
        assert answer.headers["X-ClickHouse-Format"] == form


@pytest.mark.parametrize("form", ["TSV", "TSVWithNames"])
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd", "lz4", "identity"])
def test_a_large_answer_streams(door: Running, form: str, encoding: str) -> None:
    with httpx.stream(
        "POST",
        door.url,
        content="SELECT number, toString(number) FROM numbers(1000000)",
        params={"enable_http_compression": 1, "default_format": form},
        headers={"Accept-Encoding": encoding},
    ) as answer:
        assert answer.headers.get("Content-Encoding", "identity") == encoding
        assert answer.headers["Transfer-Encoding"] == "chunked"
        decoder = Decoder(encoding)
        lines = sum(decoder.decode(piece).count(b"\n") for piece in answer.iter_raw())
        decoder.end()
    assert lines == 1_000_000 + (form == "TSVWithNames")


@pytest.mark.parametrize("form", ["RowBinary", "Parquet"])
@pytest.mark.parametrize("size", [PIECE - 2_000, PIECE + PIECE // 2, 2 * PIECE - 2_000])
def test_answers_of_a_few_pieces_are_whole(door: Running, form: str, size: int) -> None:
    # Among many the engine may be done before the first piece of an answer has left.
    sql = f"SELECT rand64(number) AS a FROM numbers({size // 8})"

    def whole(_: int) -> bool:
        answer = door.ask(sql, default_format=form)
        rows = (
            pq.read_table(BytesIO(answer.content)).num_rows if form == "Parquet" else len(answer.content) // 8
        )
        return rows == size // 8

    with ThreadPoolExecutor(8) as clients:
        assert all(clients.map(whole, range(80)))


@pytest.mark.parametrize(
    ("sql", "code", "status"),
    [
        ("SELECT * FROM nowhere", 60, 404),
        ("SELECT nothing", 47, 404),
        ("SELECT 1 FROM", 62, 400),
        ("SELECT 1; SELECT 2", 62, 400),
        ("SELECT {x:UInt8}", 456, 400),
        ("SELECT toDate('x')", 38, 400),
        ("SELECT * FROM url('http://127.0.0.1/', 'CSV', 'a Int8')", 497, 403),
        ("SELECT * FROM _overlay.`/etc/hostname`", 497, 403),
        ("SELECT 1 INTO OUTFILE '/x'", 497, 403),
        ("SELECT 1 FORMAT Nothing", 73, 404),
    ],
)
def test_errors(door: Running, sql: str, code: int, status: int) -> None:
    answer = door.ask(sql)
    assert (answer.headers["X-ClickHouse-Exception-Code"], answer.status_code) == (str(code), status)
    assert answer.text.startswith(f"Code: {code}. DB::Exception: ")
    assert "(version " in answer.text


def test_an_unknown_setting(door: Running) -> None:
    assert door.ask("SELECT 1", no_such_setting="1").headers["X-ClickHouse-Exception-Code"] == "115"


@pytest.mark.parametrize("form", ["TSV", "TSVWithNames"])
def test_an_error_in_mid_stream_is_in_the_body(door: Running, form: str) -> None:
    sql = "SELECT throwIf(number = 3000000, 'broken') FROM numbers(10000000)"
    answer = door.ask(sql, default_format=form, max_threads=1)
    tag = answer.headers["X-ClickHouse-Exception-Tag"]
    assert answer.status_code == 200
    _, _, block = answer.text.partition(f"\r\n__exception__\r\n{tag}\r\n")
    message, _, size = block.removesuffix(f" {tag}\r\n__exception__\r\n").rpartition("\n")
    assert "broken" in message
    assert int(size) == len(message) + 1


def test_bodies_chunked_and_compressed(door: Running) -> None:
    door.ask("CREATE TABLE bodies (a UInt32) ENGINE = MergeTree ORDER BY a")
    rows = b"".join(b"%d\n" % i for i in range(300_000))

    def pieces(wire: bytes) -> list[bytes]:
        return [wire[i : i + 50_000] for i in range(0, len(wire), 50_000)]

    plain = httpx.post(door.url, content=iter(pieces(b"INSERT INTO bodies FORMAT TSV\n" + rows)))
    assert json.loads(plain.headers["X-ClickHouse-Summary"])["written_rows"] == "300000"
    packed = httpx.post(
        door.url,
        params={"query": "INSERT INTO bodies FORMAT TSV"},
        content=iter(pieces(gzip.compress(rows))),
        headers={"Content-Encoding": "gzip"},
    )
    assert packed.status_code == 200
    broken = httpx.post(
        door.url,
        params={"query": "INSERT INTO bodies FORMAT TSV"},
        content=gzip.compress(rows)[:-9],
        headers={"Content-Encoding": "gzip"},
    )
    assert broken.headers["X-ClickHouse-Exception-Code"] == "117"
    assert door.ask("SELECT count(), uniqExact(a) FROM bodies").text == "600000\t300000\n"


def test_frames_of_the_native_protocol_are_refused(door: Running) -> None:
    assert door.ask("SELECT 1", compress=1).headers["X-ClickHouse-Exception-Code"] == "48"


def test_twelve_clients_at_once(door: Running) -> None:
    door.ask("CREATE TABLE many (client UInt8, a UInt32) ENGINE = MergeTree ORDER BY (client, a)")

    def work(number: int) -> None:
        client = door.client()
        for i in range(20):
            client.insert("many", [[number, i]], column_names=["client", "a"])
            rows = client.query("SELECT count() FROM many WHERE client = {n:UInt8}", parameters={"n": number})
            assert rows.result_rows == [(i + 1,)]
        client.close()

    with ThreadPoolExecutor(12) as clients:
        list(clients.map(work, range(12)))
    assert door.ask("SELECT count() FROM many").text == "240\n"


def test_a_client_that_leaves_ends_its_query(door: Running) -> None:
    for form in ("TSV", "JSON"):
        sql = f"SELECT count(), '{form}' FROM numbers(1000000000000) WHERE sipHash64(number) = 0"
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(door.url, content=sql, params={"default_format": form}, timeout=0.5)
    door.until(f"{RUNNING} AND query LIKE '%1000000000000%'", "0")


def test_a_client_that_leaves_its_answer_ends_its_query(door: Running) -> None:
    for form in ("TSV", "TSVWithNames"):
        with httpx.stream(
            "POST",
            door.url,
            content="SELECT number FROM numbers(20000000001)",
            params={"default_format": form},
        ) as answer:
            pieces = answer.iter_bytes()
            next(pieces)
    door.until(f"{RUNNING} AND query LIKE '%20000000001%'", "0")


def test_a_user_and_a_password(start_door: Start, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("open sesame\n")
    closed = start_door(tmp_path / "data", "--user", "ali", "--password-file", str(secret))
    assert httpx.get(closed.url + "ping").status_code == 200
    assert closed.ask("SELECT 1").status_code == 401
    wrong = httpx.post(closed.url, content="SELECT 1", auth=("ali", "open"))
    assert (wrong.status_code, wrong.headers["X-ClickHouse-Exception-Code"]) == (403, "516")
    assert httpx.post(closed.url, content="SELECT 1", auth=("ali", "open sesame")).text == "1\n"
    assert closed.ask("SELECT 1", user="ali", password="open sesame").text == "1\n"
    keys = {"X-ClickHouse-User": "ali", "X-ClickHouse-Key": "open sesame"}
    assert httpx.post(closed.url, content="SELECT 1", headers=keys).text == "1\n"
    assert closed.client(username="ali", password="open sesame").command("SELECT 1") == 1
    assert closed.client(access_token="open sesame").command("SELECT 1") == 1
    assert closed.stop() == 0
