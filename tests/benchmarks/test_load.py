import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benchmarks.load import SERIAL, AnswerError, Connection, percentile, post, run

Answer = Callable[[bytes], tuple[int, bytes]]


@contextmanager
def serving(answer: Answer, length: bool = True) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            status, body = answer(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            if length:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def connected(port: int) -> Iterator[Connection]:
    connection = Connection("127.0.0.1", port)
    with closing(connection.socket):
        yield connection


def test_each_request_is_sent_once_and_its_answer_kept_in_order() -> None:
    with serving(lambda body: (200, body.upper())) as port, connected(port) as connection:
        bodies: list[bytes] = []
        requests = [post("127.0.0.1", port, "/", body) for body in (b"one", b"two" * 100_000, b"three")]
        load = run([connection], requests, count=3, bodies=bodies)
    assert bodies == [b"ONE", b"TWO" * 100_000, b"THREE"]
    assert (load.requests, load.errors, load.unanswered) == (3, 0, 0)


def test_a_request_with_a_serial_number_is_never_sent_twice_alike() -> None:
    seen: list[str] = []

    def answer(body: bytes) -> tuple[int, bytes]:
        seen.append(json.loads(body)["id"])
        return 200, b""

    with serving(answer) as port, connected(port) as connection:
        requests = [post("127.0.0.1", port, "/", json.dumps({"id": SERIAL.decode()}).encode())]
        for _ in range(2):
            run([connection], requests, count=3)
    assert len(set(seen)) == 6
    assert {len(one) for one in seen} == {len(SERIAL)}


def test_other_statuses_are_errors() -> None:
    with serving(lambda body: (int(body), b"")) as port, connected(port) as connection:
        requests = [post("127.0.0.1", port, "/", status) for status in (b"200", b"429", b"500")]
        load = run([connection], requests, count=3)
    assert (load.requests, load.errors) == (3, 2)


def test_a_stall_is_charged_for_all_that_were_due_meanwhile() -> None:
    stalled = iter([0.5])

    def answer(_: bytes) -> tuple[int, bytes]:
        time.sleep(next(stalled, 0))
        return 200, b""

    with serving(answer) as port, connected(port) as connection:
        requests = [post("127.0.0.1", port, "/", b"")]
        load = run([connection], requests, seconds=0.6, rate=100)
    assert load.requests == 60
    # Those due in the first 0.4 s waited for the rest of the half second, so most did for 0.1 s.
    assert load.latencies_ms[0] > 100


def test_an_answer_without_its_length_is_refused() -> None:
    with (
        serving(lambda _: (200, b"some"), length=False) as port,
        connected(port) as connection,
        pytest.raises(AnswerError, match="states its content-length"),
    ):
        run([connection], [post("127.0.0.1", port, "/", b"")], count=1)


def test_a_percentile_is_the_least_value_that_so_many_do_not_exceed() -> None:
    values = [float(value) for value in range(1_000, 0, -1)]
    assert [percentile(values, p) for p in (50, 99, 99.9, 100)] == [500, 990, 999, 1_000]
    assert percentile([7.0], 99.9) == 7
    assert percentile([], 50) == math.inf
