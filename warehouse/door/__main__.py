"""`python -m warehouse.door --path DIR`: serve a warehouse folder by ClickHouse's HTTP interface."""

import argparse
import asyncio
import contextlib
import ipaddress
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import uvicorn

from warehouse.door.app import Access, Door
from warehouse.door.engine import MEBIBYTE, Engine, TakenError


class Server(uvicorn.Server):
    """A server that ends with status 0 on SIGTERM and SIGINT, as the supervisor that sent it expects.

    `ready` is the line that it prints once it answers and heeds signals.
    """

    def __init__(self, config: uvicorn.Config, ready: str) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        sys.stdout.write(self._ready)
        sys.stdout.flush()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at the first signal, and at once at the second."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


def main() -> int:
    """Serve until SIGTERM; return the exit status."""
    given = _arguments().parse_args()
    try:
        access = _access(given.user, given.password_file)
        if access is None and not _loopback(given.host):
            raise ValueError(
                f"without --user and --password-file the door opens on loopback only, and {given.host} is not"
            )
        listener = _listen(given.host, given.port)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"door: {error}\n")
        return 2
    try:
        engine = Engine(given.path, given.memory * MEBIBYTE, given.threads)
    except TakenError as error:
        sys.stderr.write(f"door: {error}\n")
        return 3
    port = listener.getsockname()[1]
    config = uvicorn.Config(
        Door(engine, access),
        http="httptools",
        loop="uvloop",
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=given.grace,
    )
    Server(config, f"door: serving {engine.path} at http://{given.host}:{port}\n").run(sockets=[listener])
    engine.close()
    return 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m warehouse.door", description=__doc__)
    parser.add_argument("--path", type=Path, required=True, help="folder of the data; one process owns it")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8123, help="0 takes a free one")
    parser.add_argument("--memory", type=int, default=4096, help="MiB that all queries together may use")
    parser.add_argument("--threads", type=int, default=2, help="threads of one query")
    parser.add_argument("--grace", type=int, default=10, help="seconds that running queries get on SIGTERM")
    parser.add_argument("--user", help="the one user who may enter")
    parser.add_argument("--password-file", type=Path, help="file that holds the user's password")
    return parser


def _access(user: str | None, password_file: Path | None) -> Access | None:
    if user is None and password_file is None:
        return None
    if user is None or password_file is None:
        raise ValueError("--user and --password-file go together; one alone would close nothing")
    password = password_file.read_text().strip()
    if not password:
        raise ValueError(f"a password has at least one character; {password_file} is empty")
    return Access(user, password)


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        # From here on clients wait instead of being refused, while the engine opens.
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise OSError(f"a port has one holder; {host}:{port} cannot be taken: {error.strerror}") from error
    return listener


if __name__ == "__main__":
    sys.exit(main())
