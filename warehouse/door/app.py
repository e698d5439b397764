"""The ASGI application: ClickHouse's HTTP routes over the engine."""

import asyncio
import hmac
import socket
import time
import uuid
from collections.abc import AsyncIterator, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from warehouse.door.answer import Answer, Send
from warehouse.door.compression import accepted
from warehouse.door.engine import Connection, Engine
from warehouse.door.errors import ClientGoneError, DoorError, refusal
from warehouse.door.execution import Execution, stopped
from warehouse.door.request import Receive, Request, read, read_form
from warehouse.door.sessions import Sessions
from warehouse.door.statement import Statement, parse

Scope = MutableMapping[str, Any]

WORKERS = 32
PIPES = 16
HEAD = 1 << 16
# What a GET may do besides reading rows.
READERS = {"SHOW", "DESCRIBE", "DESC", "EXPLAIN", "EXISTS", "SET", "USE"}


@dataclass(frozen=True)
class Access:
    """The one user who may enter."""

    user: str
    password: str


class Door:
    """ClickHouse's HTTP interface: `/`, `/ping`, `/replicas_status`.

    Without `access` everybody is let in, which is for loopback alone.
    """

    def __init__(self, engine: Engine, access: Access | None = None) -> None:
        self._engine = engine
        self._access = access
        self._sessions = Sessions(engine, time.monotonic)
        self._pool = ThreadPoolExecutor(WORKERS, "door")
        self._pipes = ThreadPoolExecutor(PIPES, "door-pipe")
        self._name = socket.gethostname()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        answer = Answer(send, scope["method"] == "HEAD", self._name, self._engine.timezone)
        try:
            await self._route(scope, receive, answer)
        except ClientGoneError:
            return
        except DoorError as error:
            await answer.fail(error, self._engine.version)

    async def _route(self, scope: Scope, receive: Receive, answer: Answer) -> None:
        path = scope["path"]
        if path in ("/ping", "/replicas_status"):
            await answer.text(200, b"Ok.\n")
            return
        if path != "/":
            await answer.text(404, f"There is no handle {path}\n".encode())
            return
        request = read(scope, receive)
        answer.query_id = request.options.get("query_id") or str(uuid.uuid4())
        self._admit(request)
        if request.method not in ("GET", "POST", "HEAD"):
            raise refusal(48, "NOT_IMPLEMENTED", f"Requests are GET or POST; {request.method} does nothing")
        if request.headers.get("content-type", "").startswith("multipart/form-data"):
            await read_form(request)
        statement, head = await _statement(request)
        if statement is None:
            await answer.text(200, b"Ok.\n")
            return
        if request.method != "POST" and statement.kind != "read" and statement.verb not in READERS:
            raise refusal(
                164, "READONLY", f"A {request.method} request only reads; send {statement.verb} by POST"
            )
        async with self._connection(request) as connection:
            await self._execute(request, statement, head, connection, receive, answer)

    async def _execute(
        self,
        request: Request,
        statement: Statement,
        head: bytes,
        connection: Connection,
        receive: Receive,
        answer: Answer,
    ) -> None:
        # The engine's own query id cannot be chosen, so a comment finds the query that is to be killed.
        mark = f"{request.settings.get('log_comment', '')} {uuid.uuid4().hex}".lstrip()
        request.settings["log_comment"] = mark
        execution = Execution(
            connection,
            request.settings,
            request.database,
            request.parameters,
            partial(self._engine.kill, mark),
            self._pool,
            self._pipes,
        )
        if request.external:
            await execution.load(request.external)
        if statement.kind == "insert":
            form = statement.format or request.format or "Values"
            await execution.insert(statement, form, head, request.body)
            await answer.start(None, execution.summary.fields(), b"", complete=True)
            return
        form = statement.format or request.format or "TabSeparated"
        squeeze = None
        if request.settings.get("enable_http_compression", "0") not in ("0", "false"):
            squeeze = accepted(request.headers.get("accept-encoding", ""))
        gone = asyncio.create_task(_gone(receive))
        kill = execution.kill if statement.kind == "read" else None
        try:
            async with aclosing(execution.run(statement, form)) as pieces:
                first = await self._next(pieces, gone, kill)
                summary = execution.summary
                rows = first or statement.kind == "read" or statement.verb in READERS - {"SET", "USE"}
                await answer.start(
                    form if rows else None, summary.fields(), first or b"", summary.complete, squeeze
                )
                while not answer.ended:
                    piece = await self._next(pieces, gone, kill)
                    await (answer.end() if piece is None else answer.piece(piece))
        finally:
            gone.cancel()

    async def _next(
        self, pieces: AsyncIterator[bytes], gone: "asyncio.Task[None]", kill: Callable[[], None] | None
    ) -> bytes | None:
        """Return the next piece, None at the end; where the client leaves, `kill` its query."""
        step = asyncio.ensure_future(anext(pieces, None))
        try:
            await asyncio.wait({step, gone}, return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                if kill is not None:
                    await stopped(step, kill)
                raise ClientGoneError
        finally:
            if not step.done():
                step.cancel()
                await asyncio.wait({step})
            if not step.cancelled():
                step.exception()  # seen, even where the client who would be told has left
        return step.result()

    @asynccontextmanager
    async def _connection(self, request: Request) -> AsyncIterator[Connection]:
        session_id = request.options.get("session_id")
        if not session_id:
            connection = self._engine.connect()
            try:
                yield connection
            finally:
                connection.close()
            return
        try:
            timeout = float(request.options.get("session_timeout", "60"))
        except ValueError as error:
            raise refusal(36, "BAD_ARGUMENTS", f"session_timeout is in seconds: {error}") from error
        check = request.options.get("session_check", "0") == "1"
        session = await self._sessions.take(session_id, timeout, check)
        try:
            yield session.connection
        finally:
            self._sessions.give_back(session_id, session, request.options.get("close_session", "0") == "1")

    def _admit(self, request: Request) -> None:
        if self._access is None:
            return
        given = request.credentials()
        if given is None:
            raise refusal(194, "REQUIRED_PASSWORD", "This server asks for a user and a password")
        user, password = given
        known = user in ("", self._access.user)
        if not hmac.compare_digest(password.encode(), self._access.password.encode()) or not known:
            raise refusal(
                516,
                "AUTHENTICATION_FAILED",
                f"{user or 'token'}: Authentication failed: password is incorrect",
            )

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        # Whoever is still at work has had the grace time.
        ending = asyncio.gather(*(asyncio.to_thread(_end, pool) for pool in (self._pool, self._pipes)))
        while not ending.done():
            await asyncio.to_thread(self._engine.kill)
            await asyncio.wait({ending}, timeout=0.1)
        self._sessions.close()
        await send({"type": "lifespan.shutdown.complete"})


def _end(pool: ThreadPoolExecutor) -> None:
    pool.shutdown(cancel_futures=True)


async def _gone(receive: Receive) -> None:
    """Return when the client has closed its connection."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _statement(request: Request) -> tuple[Statement | None, bytes]:
    """Read as much of the body as the statement needs.

    Return the statement, and the beginning of an insert's data; no statement where nothing was asked.
    """
    sql = request.query
    if not sql.strip():
        sql = request.body.decode(await request.body.take(HEAD))
    if not sql.strip() and request.body.ended:
        return None, b""
    if not request.body.ended:
        try:
            statement = parse(sql)
        except DoorError:
            statement = None  # what was read may end within a word or a quote
        if (
            statement is not None
            and statement.kind == "insert"
            and (request.query or statement.data < len(sql))
        ):
            return statement, sql[statement.data :]
        rest = await request.body.rest()
        sql += (b"\n" if request.query and rest else b"") + rest
    if not sql.strip():
        return None, b""
    statement = parse(sql)
    return statement, sql[statement.data :] if statement.kind == "insert" else b""
