"""Clients that are slow or rude: each one's connection must come to an end, and cost the others nothing."""

import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psutil

from augury.settings import LOOPBACK
from benchmarks.faults_world import Site

EACH = 20
BOUND_S = 90.0
_HEAD = b"POST /v1/predict HTTP/1.1\r\nhost: door\r\ncontent-length: 1000\r\n\r\n"
_PAGE = b"GET /openapi.json HTTP/1.1\r\nhost: door\r\n\r\n"


class HeldError(RuntimeError):
    """The door has kept a connection beyond the bound."""


def _drip(port: int, text: bytes, ready: bytes = b"") -> None:
    """Send a text byte by byte, one a second, until the door hangs up."""
    with socket.create_connection((LOOPBACK, port)) as connection:
        connection.sendall(ready)
        connection.settimeout(1.0)
        deadline = time.monotonic() + BOUND_S
        for place in range(len(text)):
            try:
                connection.sendall(text[place : place + 1])
                if not connection.recv(1 << 16):
                    return
                connection.settimeout(BOUND_S)  # it has answered; what is left is that it hangs up
                while connection.recv(1 << 16):
                    pass
            except TimeoutError:
                if time.monotonic() > deadline:
                    raise HeldError(f"a client that drips is held for {BOUND_S:.0f} s") from None
            except OSError:
                return
            else:
                return


def dripping_body(port: int) -> None:
    """Drip a body."""
    _drip(port, b"{" * 1_000, _HEAD)


def dripping_head(port: int) -> None:
    """Drip a head."""
    _drip(port, b"GET /healthz HTTP/1.1\r\n" + b"x-slow: 1\r\n" * 100)


def silent(port: int) -> None:
    """Connect, and say nothing."""
    with socket.create_connection((LOOPBACK, port)) as connection:
        connection.settimeout(BOUND_S)
        try:
            connection.recv(1)
        except TimeoutError:
            raise HeldError(f"a client that says nothing is held for {BOUND_S:.0f} s") from None
        except OSError:
            return


def endless_head(port: int) -> None:
    """Send a head that does not end, as fast as it is taken."""
    with socket.create_connection((LOOPBACK, port)) as connection:
        connection.settimeout(BOUND_S)
        sent, piece = 0, b"x-more: " + b"m" * 8_000 + b"\r\n"
        try:
            connection.sendall(b"GET /healthz HTTP/1.1\r\n")
            while sent < 64 << 20:
                connection.sendall(piece)
                sent += len(piece)
        except OSError:
            return
        raise HeldError(f"a head of {sent >> 20} MiB is taken")


def not_reading(port: int) -> None:
    """Ask for pages and read none."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.connect((LOOPBACK, port))
        connection.settimeout(1.0)
        deadline = time.monotonic() + BOUND_S
        while time.monotonic() < deadline:
            try:
                connection.sendall(_PAGE * 100)
            except TimeoutError:
                continue
            except OSError:
                return
        raise HeldError(f"a client that does not read is held for {BOUND_S:.0f} s")


def gone_in_the_body(port: int) -> None:
    """Hang up within a body."""
    with socket.create_connection((LOOPBACK, port)) as connection:
        connection.sendall(_HEAD + b'{"request_id":')


def gone_before_the_answer(port: int) -> None:
    """Ask, and hang up at once."""
    with socket.create_connection((LOOPBACK, port)) as connection:
        connection.sendall(_PAGE)


CLIENTS: tuple[Callable[[int], None], ...] = (
    dripping_body,
    dripping_head,
    silent,
    endless_head,
    not_reading,
    gone_in_the_body,
    gone_before_the_answer,
)


def slow_clients(site: Site) -> int:
    """Let many clients of each kind come at once; give how many. Raises `HeldError`."""
    port = site.settings.http_port
    with ThreadPoolExecutor(EACH * len(CLIENTS)) as pool:
        running = [pool.submit(client, port) for client in CLIENTS for _ in range(EACH)]
        for each in running:
            each.result()
    door, deadline = psutil.Process(site.pid("http")), time.monotonic() + BOUND_S
    while any(c.status == psutil.CONN_CLOSE_WAIT for c in door.net_connections("tcp")):
        if time.monotonic() > deadline:
            raise HeldError(f"the door keeps connections of clients that have gone for {BOUND_S:.0f} s")
        time.sleep(0.2)
    return len(running)
