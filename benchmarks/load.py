"""A load generator for HTTP: plain sockets in one thread, run as a process of its own.

Closed loop: each connection sends its next request when it has its answer. Open loop: requests are due at a
fixed rate, whether or not the answers come, and an answer's latency counts from the moment when its request
was due. So a server that stalls is charged for all whom it kept waiting (no coordinated omission). `select`
waits to the microsecond, where an event loop's `epoll` waits to the millisecond.

A request that is sent again may get the answer that it had. So where one holds `SERIAL`, it has another text
of that length there each time that it is sent.
"""

import argparse
import json
import math
import secrets
import select
import socket
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle
from pathlib import Path
from time import perf_counter, process_time

PERCENTILES = (50.0, 99.0, 99.9)
SERIAL = b"(serial number!)"
_CHUNK = 1 << 18
_GRACE_S = 10.0
_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = b"\r\ncontent-length:"


class AnswerError(RuntimeError):
    """A server answers in a way that this client does not read, or closes a connection."""


@dataclass(frozen=True)
class Load:
    """What a run found: latencies in ms at `PERCENTILES`, the seconds it took, and the client's own cost.

    `errors` are the answers whose status is not 200, `unanswered` the requests without an answer at the end:
    they are in the latencies with the time that they had waited by then. `late_ms` is how late, at p99, a
    request was sent that a free connection could have sent when it was due.
    """

    requests: int
    errors: int
    unanswered: int
    seconds: float
    latencies_ms: tuple[float, ...]
    late_ms: float
    client_cpu_s: float


class Connection:
    """One connection with at most one request on its way."""

    def __init__(self, host: str, port: int) -> None:
        self.socket = socket.create_connection((host, port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.due = self.free_since = 0.0
        self._taken = bytearray()
        self._body_at = self._size = 0

    def send(self, request: bytes, due: float) -> None:
        """Send a whole request, due at a moment of `perf_counter`."""
        self.due = due
        self._taken.clear()
        self._size = 0
        self.socket.sendall(request)

    def take(self) -> tuple[int, bytes] | None:
        """Take what has come; give status and body when the answer is whole. Raises `AnswerError`."""
        try:
            piece = self.socket.recv(_CHUNK)
        except ConnectionResetError:
            piece = b""
        if not piece:
            raise AnswerError("a server keeps a connection open between requests; this one was closed")
        self._taken += piece
        if not self._size:
            end = self._taken.find(_END_OF_HEAD)
            if end < 0:
                return None
            head = bytes(self._taken[:end]).lower() + b"\r\n"
            at = head.find(_LENGTH)
            if at < 0:
                raise AnswerError(f"an answer states its content-length; this one does not: {head[:200]!r}")
            at += len(_LENGTH)
            self._body_at = end + len(_END_OF_HEAD)
            self._size = self._body_at + int(head[at : head.find(b"\r\n", at)])
        if len(self._taken) < self._size:
            return None
        return int(self._taken[9:12]), bytes(self._taken[self._body_at :])


def post(host: str, port: int, path: str, body: bytes) -> bytes:
    """Give the bytes of a POST of JSON."""
    head = f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def run(
    connections: Sequence[Connection],
    requests: Sequence[bytes],
    *,
    seconds: float = math.inf,
    rate: float | None = None,
    count: float = math.inf,
    bodies: list[bytes] | None = None,
) -> Load:
    """Send `requests`, again from the first after the last, for `seconds` or until there were `count`.

    Open loop at `rate` requests a second, closed loop without. Requests that were due are sent after
    `seconds` too, and answers awaited, for as long again or `_GRACE_S`. `bodies` takes what the answers hold,
    as they come.
    """
    free, busy = list(connections), dict[socket.socket, Connection]()
    latencies: list[float] = []
    late: list[float] = []
    errors = sent = 0
    following, cpu = _numbered(requests), process_time()
    started = perf_counter()
    end = started + seconds
    if rate is not None:
        count = min(count, max(1, int(rate * seconds)))
    while True:
        now = perf_counter()
        due = now if rate is None else started + sent / rate
        while free and sent < count and due <= now and (rate is not None or now < end):
            connection = free.pop()
            connection.send(next(following), due)
            busy[connection.socket] = connection
            late.append(now - max(due, connection.free_since))
            sent += 1
            now = perf_counter()
            due = now if rate is None else started + sent / rate
        more = sent < count and (rate is not None or now < end)
        if not (busy or more) or now > end + max(seconds, _GRACE_S):
            break
        wait = due - now if more and free else 1.0
        ready, _, _ = select.select(busy, (), (), max(0.0, wait))
        for readable in ready:
            connection = busy[readable]
            answer = connection.take()
            if answer is None:
                continue
            connection.free_since = perf_counter()
            latencies.append(connection.free_since - connection.due)
            errors += answer[0] != 200
            if bodies is not None:
                bodies.append(answer[1])
            free.append(busy.pop(readable))
    took = perf_counter() - started
    answered, waiting = len(latencies), [connection.due for connection in busy.values()]
    if rate is not None:
        waiting += [started + place / rate for place in range(sent, int(count))]
    latencies += [started + took - due for due in waiting]
    return Load(
        answered,
        errors,
        len(waiting),
        took,
        tuple(1e3 * percentile(latencies, p) for p in PERCENTILES),
        1e3 * percentile(late, 99),
        process_time() - cpu,
    )


def _numbered(requests: Sequence[bytes]) -> Iterator[bytes]:
    """Give the requests for ever, each time with another serial number; those of two runs differ."""
    run = secrets.token_hex(4)
    for number, request in enumerate(cycle(requests)):
        yield request.replace(SERIAL, f"{run}{number:08}".encode())


def percentile(values: Sequence[float], p: float) -> float:
    """Give the least value that `p` percent of the values do not exceed; infinity where there is none."""
    if not values:
        return math.inf
    return sorted(values)[max(0, math.ceil(len(values) * p / 100) - 1)]


def main() -> None:
    """Run one load against a port of this host, and print it as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("bodies", type=Path, help="a file with the JSON body of a request on each line")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", required=True)
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=math.inf)
    parser.add_argument("--rate", type=float, help="requests a second; a closed loop without")
    parser.add_argument("--once", action="store_true", help="send each request once, and end")
    parser.add_argument("--answers", type=Path, help="write the answers' bodies here, one on each line")
    given = parser.parse_args()
    lines = given.bodies.read_bytes().splitlines()
    requests = [post(given.host, given.port, given.path, line) for line in lines]
    connections = [Connection(given.host, given.port) for _ in range(given.connections)]
    bodies: list[bytes] | None = [] if given.answers else None
    count = len(requests) if given.once else math.inf
    load = run(connections, requests, seconds=given.seconds, rate=given.rate, count=count, bodies=bodies)
    if bodies is not None:
        given.answers.write_bytes(b"\n".join(bodies))
    print(json.dumps(asdict(load)))


if __name__ == "__main__":
    main()
