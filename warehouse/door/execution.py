"""Running one statement on one connection: reads, commands, inserts."""

import asyncio
import fcntl
import os
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from warehouse.door.engine import Connection
from warehouse.door.errors import DoorError, engine_errors
from warehouse.door.request import Body, External
from warehouse.door.statement import Statement, external_table, format_name

T = TypeVar("T")

PIECE = 1 << 18
# The engine gives these in chunks that can be put one after another; all others are whole documents.
CHUNKED = {
    "native", "rowbinary", "tsv", "tabseparated", "tsvraw", "tabseparatedraw", "csv", "lineasstring",
    "jsoneachrow", "jsonlines", "ndjson", "jsoncompacteachrow",
}  # fmt: skip


@dataclass
class Summary:
    """What X-ClickHouse-Summary says; `complete` once nothing is to come but what has been yielded."""

    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    result_rows: int = 0
    result_bytes: int = 0
    complete: bool = False
    started: float = field(default_factory=time.perf_counter)

    def fields(self) -> dict[str, str]:
        """Return ClickHouse's names with their values as text."""
        names = ("read_rows", "read_bytes", "written_rows", "written_bytes", "result_rows", "result_bytes")
        return {
            **{name: str(getattr(self, name)) for name in names},
            "total_rows_to_read": str(self.read_rows),
            "elapsed_ns": str(int((time.perf_counter() - self.started) * 1e9)),
        }


@dataclass
class Execution:
    """One statement of one request.

    `settings` and `database` hold for it alone. `kill` ends it from outside. `pool` runs the engine's calls,
    `pipes` those reads that fill a pipe for as long as their client takes to empty it.
    """

    connection: Connection
    settings: Mapping[str, str]
    database: str | None
    parameters: Mapping[str, str]
    kill: Callable[[], None]
    pool: ThreadPoolExecutor
    pipes: ThreadPoolExecutor
    summary: Summary = field(default_factory=Summary)

    def run(self, statement: Statement, form: str) -> AsyncGenerator[bytes, None]:
        """Yield the answer of a read or a command, in format `form`; DoorError at any piece.

        Close what is returned before the connection: it may still hold a query that runs.
        """
        form = format_name(form)
        sql = statement.text.decode("utf-8", "surrogateescape")
        tail = statement.tail.decode("utf-8", "surrogateescape")
        if statement.kind != "read":
            return self._command(statement.verb, sql + tail, form)
        if form.lower() in CHUNKED and not tail.strip():
            return self._chunks(sql, form)
        return self._piped(sql, tail, form)

    async def insert(self, statement: Statement, form: str, head: bytes, body: Body) -> None:
        """Insert `head` and the rest of the body; nothing where the body breaks off or cannot be read."""
        handle: Any = None
        raw = self.connection.raw
        form = format_name(form)

        def step(piece: bytes) -> None:
            nonlocal handle
            with engine_errors():
                if handle is None:
                    named = {f"param_{name}": value for name, value in self.parameters.items()}
                    self.connection.prepare({**self.settings, **named}, self.database)
                    handle = raw.send_insert(statement.text, form)
                    raw.insert_append(handle, head) if head else None
                # An empty piece too: it may be the end, and then the decoder must find its last frame whole.
                if plain := body.decode(piece):
                    raw.insert_append(handle, plain)
                if body.ended:
                    done = raw.insert_done(handle)
                    self.summary.written_rows = self.summary.read_rows = done.rows_written()
                    self.summary.written_bytes = self.summary.read_bytes = done.bytes_written()
                    self.summary.complete = True

        try:
            while not self.summary.complete:
                await self._call(partial(step, b"" if body.ended else await body.take()))
        finally:
            if handle is not None and not self.summary.complete:
                await self._call(lambda: _quietly(lambda: raw.insert_cancel(handle)))

    async def load(self, tables: Mapping[str, External]) -> None:
        """Put the client's external tables where its query finds them: temporary tables of the connection."""
        # All are checked before the first is made.
        made = {name: external_table(name, table.structure) for name, table in tables.items()}
        forms = {name: format_name(table.format) for name, table in tables.items()}

        def put() -> None:
            with engine_errors():
                for name, table in tables.items():
                    self.connection.raw.query(_wire(made[name]), "Null")
                    handle = self.connection.raw.send_insert(f"INSERT INTO {name}", forms[name])
                    self.connection.raw.insert_append(handle, table.data)
                    self.connection.raw.insert_done(handle)

        await self._call(put)

    async def _command(self, verb: str, sql: str, form: str) -> AsyncGenerator[bytes, None]:
        def step() -> bytes:
            if verb in ("SET", "USE"):
                self.connection.restore()
            else:
                self.connection.prepare(self.settings, self.database)
            with engine_errors():
                result = self.connection.raw.query(_wire(sql), form, params=dict(self.parameters))
            if verb == "USE":
                self.connection.adopt()
            self._account(result)
            self.summary.complete = True
            return bytes(result.bytes())

        yield await self._call(step)

    async def _chunks(self, sql: str, form: str) -> AsyncGenerator[bytes, None]:
        handle: Any = None
        raw = self.connection.raw

        def step() -> bytes:
            nonlocal handle
            with engine_errors():
                if handle is None:
                    self.connection.prepare(self.settings, self.database)
                    handle = raw.send_query(_wire(sql), form, params=dict(self.parameters))
                parts: list[bytes] = []
                held = 0
                while held < PIECE:
                    chunk = raw.streaming_fetch_result(handle)
                    rows = chunk.rows_read()
                    if not rows:
                        self.summary.complete = True
                        break
                    parts.append(chunk.bytes())
                    held += len(parts[-1])
                    self.summary.result_rows += rows
                    self.summary.read_rows += chunk.storage_rows_read() or rows
                    self.summary.read_bytes += chunk.storage_bytes_read() or chunk.bytes_read()
                self.summary.result_bytes += held
                return b"".join(parts)

        try:
            while not self.summary.complete:
                yield await self._call(step)
        finally:
            if handle is not None and not self.summary.complete:
                await self._call(lambda: _quietly(lambda: raw.streaming_cancel_query(handle)))

    async def _piped(self, sql: str, tail: str, form: str) -> AsyncGenerator[bytes, None]:
        near, far = os.pipe()
        os.set_blocking(near, False)
        fcntl.fcntl(near, fcntl.F_SETPIPE_SZ, PIECE)

        def fill() -> None:
            try:
                self.connection.prepare(self.settings, self.database)
                # The line break ends a comment that may stand last.
                target = f"{sql}\nINTO OUTFILE '/dev/fd/{far}' TRUNCATE FORMAT {form} {tail}"
                with engine_errors():
                    self._account(
                        self.connection.raw.query(_wire(target), "Null", params=dict(self.parameters))
                    )
            finally:
                os.close(far)

        filling = asyncio.get_running_loop().run_in_executor(self.pipes, fill)
        try:
            held = b""  # each piece but the last leaves when the next has come
            while True:
                try:
                    piece = os.read(near, PIECE)
                except BlockingIOError:
                    await _readable(near)
                    continue
                if not piece:
                    break
                if held:
                    yield held
                held = piece
            await filling
            self.summary.complete = True  # not before: the engine is done while the pipe is still full
            if held:
                yield held
        finally:
            # A pipe that is full holds the query up, and one that nobody reads does not end it: so both.
            if not filling.done():
                await asyncio.to_thread(self.kill)
            os.close(near)
            await stopped(filling, self.kill)
            if not filling.cancelled():
                filling.exception()

    def _account(self, result: Any) -> None:  # noqa: ANN401 (chDB's result has no public type)
        self.summary.read_rows = result.storage_rows_read() or result.rows_read()
        self.summary.read_bytes = result.storage_bytes_read() or result.bytes_read()
        self.summary.written_rows = result.rows_written()
        self.summary.written_bytes = result.bytes_written()

    async def _call(self, step: Callable[[], T]) -> T:
        """Run `step` in the pool, and wait for it even where the request is given up meanwhile."""
        job = asyncio.get_running_loop().run_in_executor(self.pool, step)
        try:
            return await asyncio.shield(job)
        except asyncio.CancelledError:
            await asyncio.wait({job})
            raise


def _wire(sql: str) -> bytes:
    """Return the statement's own bytes: the engine's binding takes no text that is not UTF-8."""
    return sql.encode("utf-8", "surrogateescape")


async def _readable(handle: int) -> None:
    """Wait until `handle` has something to read, or has ended."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(handle, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(handle)


async def stopped(job: "asyncio.Future[Any]", kill: Callable[[], None]) -> None:
    """Wait for `job`, killing its query; again and again, for it may only be about to start."""
    while not job.done():
        await asyncio.to_thread(kill)
        await asyncio.wait({job}, timeout=0.1)


def _quietly(step: Callable[[], object]) -> None:
    """Give up what runs: that it had ended by itself is no error."""
    try:
        with engine_errors():
            step()
    except DoorError:
        return
