import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
from httpx import URL

from augury.load.connection import Connection

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


async def against(answer: Answer, asks: int = 1) -> list[tuple[int, bytes]]:
    """Ask a server that speaks as `answer` does."""

    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readline() == b"ask\n":
            await answer(writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        ended.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    connection = await Connection.open(URL(f"http://127.0.0.1:{port}"))
    try:
        return [await connection.ask(b"ask\n") for _ in range(asks)]
    finally:
        connection.close()
        await ended.wait()
        server.close()


def test_answers_that_come_in_pieces_are_put_together() -> None:
    whole = b"HTTP/1.1 503 Busy\r\nContent-Length: 5\r\nx: content-length: 9\r\n\r\nhello"

    async def drip(writer: asyncio.StreamWriter) -> None:
        for place in range(len(whole)):
            writer.write(whole[place : place + 1])
            await writer.drain()
            await asyncio.sleep(0)

    assert asyncio.run(against(drip, asks=3)) == [(503, b"hello")] * 3


def test_a_door_that_hangs_up_is_an_error() -> None:
    async def hang_up(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe")
        writer.close()

    with pytest.raises(ConnectionError, match="hung up"):
        asyncio.run(against(hang_up))


def test_an_answer_without_a_length_is_an_error() -> None:
    async def chunked(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n")

    with pytest.raises(ConnectionError, match="content-length"):
        asyncio.run(against(chunked))
