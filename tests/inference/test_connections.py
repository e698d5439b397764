import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import uvicorn

from inference import connections
from inference.connections import BoundedConnection, bound_unread

PAGE = b"x" * 100_000


async def app(scope: dict, receive: Callable, send: Callable) -> None:  # type: ignore[type-arg]
    assert scope["type"] == "http"
    while scope["path"] == "/whole" and (await receive()).get("more_body"):
        pass
    headers = [(b"content-length", b"%d" % len(PAGE))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": PAGE})


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(connections, "_WHOLE_SECONDS", 0.5)
    monkeypatch.setattr(connections, "_UNREAD_MS", 500)
    config = uvicorn.Config(app, http=BoundedConnection, lifespan="off", log_level="error")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        bound_unread(listening)
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        yield listening.getsockname()[1]
        server.should_exit = True
        thread.join()


def ended(connection: socket.socket, drip: bytes) -> bytes:
    """Send bytes of `drip` in turn until the server has hung up; give what it said."""
    said, deadline, place = b"", time.monotonic() + 30, 0
    connection.settimeout(0.05)
    while time.monotonic() < deadline:
        try:
            if drip:
                connection.sendall(drip[place % len(drip) : place % len(drip) + 1])
                place += 1
            piece = connection.recv(1 << 20)
            if not piece:
                return said
            said += piece
        except TimeoutError:
            continue
        except OSError:
            return said
    raise AssertionError("the connection is held")


@pytest.mark.parametrize(
    ("first", "drip"),
    [
        (b"", b""),
        (b"", b"GET / HTTP/1.1\r\n" + b"x-slow: 1\r\n" * 1_000),
        (b"POST /whole HTTP/1.1\r\ncontent-length: 9999\r\n\r\n", b"x"),
        (b"POST / HTTP/1.1\r\ncontent-length: 9999\r\n\r\n", b"x"),  # it has been answered already
        (b"GET / HTTP/1.1\r\n\r\n", b"\r\n"),
    ],
    ids=["silent", "head", "body", "body behind the answer", "empty lines"],
)
def test_a_request_that_does_not_become_whole_is_ended(port: int, first: bytes, drip: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(first)
        said = ended(connection, drip)
    assert said.startswith(b"HTTP/1.1 200") or not said


def test_a_head_has_a_bound_and_a_body_has_none_here(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        body = b"x" * 1_000_000
        connection.sendall(b"POST /whole HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n" + b"x-more: " + b"m" * 70_000)
        assert b"at most 64 KiB" in ended(connection, b"")


def test_a_client_that_does_not_read_is_ended(port: int) -> None:
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.connect(("127.0.0.1", port))
        connection.settimeout(0.1)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                connection.sendall(b"GET / HTTP/1.1\r\n\r\n" * 100)
            except TimeoutError:
                continue
            except OSError:
                return
        raise AssertionError("the connection is held")
