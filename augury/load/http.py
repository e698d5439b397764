"""Load on the HTTP door."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count

import orjson
from httpx import URL

from augury.load.connection import Connection
from augury.load.pace import Pace
from augury.load.recorder import Recorder
from augury.load.requests import Body

_REST_S = 0.1
_REPORT_S = 0.2
_SPUN_S = 0.002  # timers of an event loop are this coarse, so what is left of a wait is spun
Report = Callable[[Recorder, float], None]


def load_http(
    url: str, token: str | None, bodies: Sequence[Body], pace: Pace, run: str, report: Report
) -> tuple[Recorder, float]:
    """Ask the door at `url`, with the bodies in turn; give what was seen, and how many seconds it took.

    `run` makes the request ids its own; `report` is told now and then. Raises `OSError` where nothing
    listens.
    """
    return asyncio.run(_Run(url, token, bodies, pace, run).run(report))


class _Run:
    """One run: as many connections as requests may be under way, each with a task that uses it."""

    def __init__(self, url: str, token: str | None, bodies: Sequence[Body], pace: Pace, run: str) -> None:
        self._url = URL(url)
        host = self._url.netloc.decode()
        bearer = f"authorization: Bearer {token}\r\n" if token else ""
        head = f"POST /v1/predict HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n{bearer}"
        self._head = f"{head}content-length: ".encode()
        self._rests = [orjson.dumps(body)[1:] for body in bodies]
        self._pace = pace
        self._id = f'{{"request_id":"{run}-%d",'.encode()
        self._numbers = count()
        self._start = 0.0
        self.recorder = Recorder()

    async def run(self, report: Report) -> tuple[Recorder, float]:
        connections = [await Connection.open(self._url) for _ in range(self._pace.at_once)]
        self._start = time.perf_counter()
        tasks = [asyncio.create_task(self._use(connection)) for connection in connections]
        reporting = asyncio.create_task(self._report(report))
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in (reporting, *tasks):
                task.cancel()
            await asyncio.gather(reporting, *tasks, return_exceptions=True)
        elapsed = time.perf_counter() - self._start
        for _ in range(self._pace.given_up(self.recorder.answered + self.recorder.errors.total())):
            self.recorder.add(elapsed, "not sent")
        return self.recorder, elapsed

    async def _report(self, report: Report) -> None:
        while True:
            report(self.recorder, time.perf_counter() - self._start)
            await asyncio.sleep(_REPORT_S)

    async def _use(self, connection: Connection) -> None:
        while True:
            number = next(self._numbers)
            due = self._pace.due(number, time.perf_counter() - self._start)
            if due is None:
                break
            if self._pace.rate is not None:
                await self._await(self._start + due)
            asked = self._start + due if self._pace.rate is not None else time.perf_counter()
            connection = await self._ask(connection, number, asked)
        connection.close()

    async def _ask(self, connection: Connection, number: int, asked: float) -> Connection:
        try:
            status, body = await connection.ask(self._request(number))
        except (ConnectionError, TimeoutError) as error:
            kind = "timeout" if isinstance(error, TimeoutError) else "connection"
            self.recorder.add(time.perf_counter() - asked, kind)
            with suppress(OSError):
                return await Connection.open(self._url)
            await asyncio.sleep(_REST_S)
        else:
            self.recorder.add(time.perf_counter() - asked, problem_of(status, body))
        return connection

    async def _await(self, due: float) -> None:
        left = due - time.perf_counter()
        if left > _SPUN_S:
            await asyncio.sleep(left - _SPUN_S)
        while time.perf_counter() < due:
            await asyncio.sleep(0)

    def _request(self, number: int) -> bytes:
        body = self._id % number + self._rests[number % len(self._rests)]
        return b"%s%d\r\n\r\n%s" % (self._head, len(body), body)


def problem_of(status: int, body: bytes) -> str | None:
    """Give the kind of an answer's problem: of an RFC 9457 body, or the status; None for a prediction."""
    if status == 200:
        return None
    with suppress(orjson.JSONDecodeError, KeyError, TypeError):
        return str(orjson.loads(body)["type"]).removeprefix("urn:augury:")
    return f"status {status}"
