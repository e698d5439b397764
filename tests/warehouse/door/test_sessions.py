import time
from concurrent.futures import ThreadPoolExecutor

from tests.warehouse.door.running import Running


def test_a_session_keeps_settings_database_and_temporary_tables(door: Running) -> None:
    def ask(sql: str, **more: object) -> str:
        return door.ask(sql, session_id="kept", **more).text

    ask("SET max_threads = 1")
    ask("USE system")
    ask("CREATE TEMPORARY TABLE mine (a UInt8)")
    ask("INSERT INTO mine VALUES (1), (2)")
    sql = "SELECT sum(a), getSetting('max_threads'), currentDatabase() FROM mine"
    assert ask(sql) == "3\t1\tsystem\n"
    assert ask(sql, max_threads=2, database="default") == "3\t2\tdefault\n"
    assert ask(sql) == "3\t1\tsystem\n"
    assert door.ask("SELECT * FROM mine").headers["X-ClickHouse-Exception-Code"] == "60"
    assert ask("SELECT 1", no_such_setting="1").startswith("Code: 115.")
    assert ask(sql, close_session=1) == "3\t1\tsystem\n"
    assert ask("SELECT getSetting('max_threads')") == "2\n"


def test_a_session_that_must_be_there(door: Running) -> None:
    answer = door.ask("SELECT 1", session_id="never", session_check=1)
    assert (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"]) == (404, "372")


def test_a_session_ends_after_its_time(door: Running) -> None:
    door.ask("SET max_threads = 1", session_id="brief", session_timeout=0.05)
    end = time.monotonic() + 5
    # A request that asks for the session renews it, so this one asks for another.
    while door.ask("SELECT 1", session_id="other").text == "1\n" and time.monotonic() < end:
        if door.ask("SELECT 1", session_id="brief", session_check=1, session_timeout=0.05).status_code == 404:
            return
        door.ask("SELECT sleep(0.1)")
    raise AssertionError("the session stayed")


def test_a_session_serves_one_request_at_a_time(door: Running) -> None:

    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(door.ask, "SELECT sleep(3)", session_id="one")
        door.until("SELECT count() FROM system.processes WHERE query = 'SELECT sleep(3)'", "1")
        answer = door.ask("SELECT 1", session_id="one")
        assert (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"]) == (423, "373")
        assert slow.result().text == "0\n"
