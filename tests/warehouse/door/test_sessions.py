import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

from tests.warehouse.door.running import Running
from warehouse.door.engine import Engine
from warehouse.door.sessions import Sessions


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


def test_a_request_that_waits_for_a_session_that_closes_gets_a_new_one(door: Running) -> None:
    door.ask("CREATE TEMPORARY TABLE mine (a UInt8)", session_id="shared")
    with ThreadPoolExecutor(5) as pool:
        sql = "SELECT sleep(0.5), count() FROM mine"
        closing = pool.submit(door.ask, sql, session_id="shared", close_session=1)
        door.until(f"SELECT count() FROM system.processes WHERE query = '{sql}'", "1")
        waiting = [pool.submit(door.ask, "SELECT count() FROM mine", session_id="shared") for _ in range(4)]
        assert closing.result().text == "0\t0\n"
        codes = [answer.result().headers["X-ClickHouse-Exception-Code"] for answer in waiting]
    assert codes == ["60"] * 4
    assert door.ask("SELECT 1", session_id="shared", session_check=1).text == "1\n"


class _Kept:
    """Connections that know whether they are closed."""

    def __init__(self) -> None:
        self.closed = False

    def connect(self) -> "_Kept":
        return _Kept()

    def close(self) -> None:
        self.closed = True


def _closed(connection: Any) -> bool:
    return cast(_Kept, connection).closed


def test_a_waiter_never_gets_what_the_holder_closes() -> None:
    async def run() -> None:
        sessions = Sessions(cast(Engine, _Kept()), lambda: 1.0)
        first = await sessions.take("a", 60, False)
        waiters = [asyncio.create_task(sessions.take("a", 60, False)) for _ in range(3)]
        await asyncio.sleep(0)
        sessions.give_back("a", first, close=True)
        assert _closed(first.connection)
        for _ in waiters:
            done, _ = await asyncio.wait([w for w in waiters if not w.done()], return_when="FIRST_COMPLETED")
            second = done.pop().result()
            assert second is not first
            assert not _closed(second.connection)
            sessions.give_back("a", second, close=True)

    asyncio.run(run())


def test_a_session_that_is_waited_for_is_not_swept() -> None:
    now = 1.0

    async def run() -> None:
        nonlocal now
        sessions = Sessions(cast(Engine, _Kept()), lambda: now)
        first = await sessions.take("a", 1, False)
        waiter = asyncio.create_task(sessions.take("a", 60, False))
        await asyncio.sleep(0)
        sessions.give_back("a", first, close=False)
        now = 100.0
        sessions.sweep()
        assert await waiter is first
        assert not _closed(first.connection)
        sessions.give_back("a", first, close=False)
        now = 1000.0
        sessions.sweep()
        assert _closed(first.connection)

    asyncio.run(run())
