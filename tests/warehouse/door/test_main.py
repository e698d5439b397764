"""The process: its end, its death, its folder, its port."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.warehouse.door.running import Running, Start


def test_sigterm_ends_it_cleanly_and_data_stay(start_door: Start, tmp_path: Path) -> None:
    door = start_door(tmp_path)
    door.ask("CREATE TABLE kept (a UInt8) ENGINE = MergeTree ORDER BY a")
    door.ask("INSERT INTO kept VALUES (1), (2)")
    door.ask("SELECT 1", session_id="open")
    assert door.stop() == 0
    for _ in range(2):
        again = start_door(tmp_path)
        assert again.ask("SELECT sum(a) FROM kept").text == "3\n"
        assert again.stop() == 0


def test_a_folder_of_chdb_itself_is_served(start_door: Start, tmp_path: Path) -> None:
    code = """
import sys
from chdb import _chdb
connection = _chdb.connect(sys.argv[1])
connection.query("CREATE TABLE kept (a UInt8) ENGINE = MergeTree ORDER BY a")
connection.query("INSERT INTO kept VALUES (1), (2)")
connection.close()
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, timeout=60)
    door = start_door(tmp_path)
    assert door.ask("SELECT sum(a) FROM kept").text == "3\n"
    assert door.stop() == 0


def test_sigterm_gives_queries_their_time_and_then_ends_them(start_door: Start, tmp_path: Path) -> None:
    door = start_door(tmp_path, "--grace", "2")
    endless = "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 0"

    def ask(sql: str, form: str = "TSV") -> str:
        try:
            return door.ask(sql, default_format=form).text
        except httpx.HTTPError as error:
            return type(error).__name__

    with ThreadPoolExecutor(3) as pool:
        brief = pool.submit(ask, "SELECT sleep(1)")
        long = [pool.submit(ask, endless), pool.submit(ask, endless, "JSON")]
        door.until("SELECT count() FROM system.processes WHERE query NOT LIKE '%processes%'", "3")
        assert door.stop() == 0
        assert brief.result() == "0\n"
        assert all(query.result() != "0\n" for query in long)


@pytest.mark.parametrize("form", ["TSV", "JSON"])
def test_sigterm_ends_an_answer_that_nobody_reads(start_door: Start, tmp_path: Path, form: str) -> None:
    door = start_door(tmp_path, "--grace", "1")
    sql = "SELECT number FROM numbers(20000000001)"
    with httpx.stream("POST", door.url, content=sql, params={"default_format": form}) as answer:
        pieces = answer.iter_bytes()
        next(pieces)
        assert door.stop() == 0


def test_sigkill_under_inserts_loses_nothing_acknowledged(start_door: Start, tmp_path: Path) -> None:
    door = start_door(tmp_path)
    door.ask("CREATE TABLE hit (client UInt8, a UInt32) ENGINE = MergeTree ORDER BY (client, a)")
    for attempt in range(3):
        acknowledged: list[tuple[int, int]] = []
        enough = threading.Event()

        def work(
            client: int,
            door: Running,
            attempt: int,
            acknowledged: list[tuple[int, int]],
            enough: threading.Event,
        ) -> None:
            for i in range(attempt * 1_000_000, (attempt + 1) * 1_000_000, 100):
                data = b"".join(b"%d\t%d\n" % (client, i + k) for k in range(100))
                try:
                    answer = door.ask(b"INSERT INTO hit FORMAT TSV\n" + data)
                except httpx.HTTPError:
                    return
                if answer.status_code == 200:
                    acknowledged.append((client, i))
                if len(acknowledged) > 40:
                    enough.set()

        with ThreadPoolExecutor(4) as pool:
            for client in range(4):
                pool.submit(work, client, door, attempt, acknowledged, enough)
            assert enough.wait(30)
            door.process.kill()
        door.process.wait()
        door = start_door(tmp_path)
        found = door.ask(f"SELECT client, a FROM hit WHERE a % 100 = 0 AND a >= {attempt * 1_000_000}").text
        there = {tuple(map(int, line.split("\t"))) for line in found.splitlines()}
        assert set(acknowledged) <= there
        parts = door.ask(
            "SELECT count() FROM (SELECT 1 FROM hit GROUP BY client, intDiv(a, 100) HAVING count() != 100)"
        )
        assert parts.text == "0\n"
    assert door.stop() == 0


def test_a_folder_has_one_owner(door: Running, start_door: Start) -> None:
    with pytest.raises(RuntimeError) as refused:
        start_door(door.path)
    assert str(refused.value) == (
        f"door: one process owns a warehouse folder; {door.path} is held by process {door.process.pid}\n"
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--host", "0.0.0.0"], "loopback only, and 0.0.0.0 is not"),
        (["--user", "ali"], "--user and --password-file go together"),
        (["--port", "{port}"], "cannot be taken: Address already in use"),
    ],
)
def test_arguments_that_are_refused(door: Running, tmp_path: Path, arguments: list[str], says: str) -> None:
    arguments = [argument.format(port=door.port) for argument in arguments]
    command = [sys.executable, "-m", "warehouse.door", "--path", str(tmp_path), "--port", "0", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 2
    assert says in ended.stderr


def test_sigint_ends_it_too(start_door: Start, tmp_path: Path) -> None:
    door = start_door(tmp_path)
    os.kill(door.process.pid, signal.SIGINT)
    assert door.process.wait(30) == 0


def test_memory_is_bounded(start_door: Start, tmp_path: Path) -> None:
    door = start_door(tmp_path, "--memory", "500")
    answer = door.ask("SELECT length(groupArray(number)) FROM numbers(200000000)")
    assert (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"]) == (507, "241")
    assert door.ask("SELECT 1").text == "1\n"
    assert door.stop() == 0
