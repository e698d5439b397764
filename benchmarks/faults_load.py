"""The steady load of the fault runs: requests by HTTP and by Kafka, feature rows, and what became of each.

Requests are numbered; the ledgers tell of each number what came of it. Every wait has a bound: what is not
settled behind it is told as hung.
"""

import asyncio
import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import orjson
from confluent_kafka import OFFSET_BEGINNING, KafkaError, TopicPartition
from httpx import URL

from augury.clients import codec
from augury.clock import wall_ms
from augury.load.connection import Connection
from augury.load.http import problem_of
from benchmarks.faults_world import ENTITIES, STREAMED, Site, streamed
from benchmarks.serving_cases import SMALL, key
from schemas.log import consumer, producer
from schemas.records import load

PATIENCE_S = 120.0
_MOST = 800  # requests under way
_REST_S = 0.2
_TICK_S = 0.02
_RESULTS = "prediction.results"


class Found(NamedTuple):
    """An answer: the prediction, the version, the entity and `seq` of its row, and the vector."""

    prediction: float | None
    version: int | None
    row: tuple[int, int]
    vector: list[float | None]


def found_in(result: dict[str, Any], rows: str) -> Found:
    """Read an answer, whose rows are in a field of that name."""
    ((entity, seq),) = ((row["entity"], row["seq"]) for row in result[rows])
    values = list(result["feature_values_used"].values())
    number = int(entity.removeprefix(key(0)[:-1]))
    return Found(result["prediction"], result["model_version_used"], (number, seq), values)


class Ledger:
    """What became of the numbered requests of one door; `times` are the moments (monotonic, s) of answers."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.sent = 0
        self.answers: dict[int, Found] = {}
        self.refusals: dict[int, str] = {}
        self.hung: dict[int, str] = {}
        self.times: list[float] = []
        self.newest = -1  # the highest number with an answer
        self._settled = 0

    def name(self, number: int) -> str:
        """Give a request's id."""
        return f"{self.prefix}{number}"

    def settled(self) -> int:
        """Tell up to which number every request has an end."""
        while any(self._settled in ends for ends in (self.answers, self.refusals, self.hung)):
            self._settled += 1
        return self._settled

    def answered(self, number: int, found: Found) -> None:
        """Note an answer, as it comes."""
        self.answers[number] = found
        self.newest = max(self.newest, number)
        self.times.append(time.monotonic())

    def pause(self, begun: float, ended: float) -> float:
        """Give the longest time without an answer between two moments, in s."""
        edges = [begun, *(moment for moment in self.times if begun < moment < ended), ended]
        return max(later - earlier for earlier, later in itertools.pairwise(edges))


class Beside:
    """What runs beside the faults until it is stopped; an error in it is raised by `check` and `stop`."""

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._guarded, name=type(self).__name__, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def check(self) -> None:
        """Raise the error that has ended it, if any."""
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """End, and wait for that."""
        self.stopping.set()
        self._thread.join(2 * PATIENCE_S)
        self.check()
        if self._thread.is_alive():
            raise TimeoutError(f"{self._thread.name} has not ended")

    def _guarded(self) -> None:
        try:
            self.run()
        except BaseException as error:
            self._error = error

    def run(self) -> None:
        """Do the work until `stopping` is set."""
        raise NotImplementedError

    def paced(self, rate: float, do: Callable[[int], object]) -> None:
        """Do something at an even rate, with its number."""
        begun, number = time.monotonic(), 0
        while not self.stopping.wait(max(0.0, begun + number / rate - time.monotonic())):
            do(number)
            number += 1


class HttpLoad(Beside):
    """Requests by HTTP at `rate` a second; one whose connection breaks is sent again under the same id."""

    def __init__(self, site: Site, rate: float, run: str) -> None:
        super().__init__()
        self.ledger = Ledger(f"{run}-h-")
        self.again: set[int] = set()
        self._url = URL(f"http://127.0.0.1:{site.settings.http_port}")
        self._rate = rate
        self._free: list[Connection] = []

    def run(self) -> None:
        """Ask until stopped, then await the answers."""
        asyncio.run(self._run())

    async def _run(self) -> None:
        begun = time.monotonic()
        tasks: set[asyncio.Task[None]] = set()
        while not self.stopping.is_set() and self._error is None:
            wait = begun + self.ledger.sent / self._rate - time.monotonic()
            if wait > 0 or len(tasks) >= _MOST:
                await asyncio.sleep(max(wait, 0.001))
                continue
            task = asyncio.create_task(self._guard(self.ledger.sent))
            self.ledger.sent += 1
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)
        for connection in self._free:
            connection.close()

    async def _guard(self, number: int) -> None:
        try:
            await self._ask(number)
        except Exception as error:
            self._error = error

    async def _ask(self, number: int) -> None:
        request = self._request(number)
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                connection = self._free.pop() if self._free else await Connection.open(self._url)
                status, body = await connection.ask(request)
            except TimeoutError as error:
                self.ledger.hung[number] = f"no answer: {error!r}"
                return
            except OSError as error:
                self.again.add(number)
                if time.monotonic() > deadline:
                    self.ledger.hung[number] = f"no connection: {error!r}"
                    return
                await asyncio.sleep(_REST_S)
            else:
                break
        self._free.append(connection)
        problem = problem_of(status, body)
        if problem is None:
            self.ledger.answered(number, found_in(orjson.loads(body), "groups"))
        else:
            self.ledger.refusals[number] = problem

    def _request(self, number: int) -> bytes:
        body = orjson.dumps(request(self.ledger.name(number), number))
        head = f"POST /v1/predict HTTP/1.1\r\nhost: door\r\ncontent-length: {len(body)}\r\n\r\n"
        return head.encode() + body


def request(name: str, number: int) -> dict[str, Any]:
    """Give the request of a number."""
    return {
        "request_id": name,
        "model_name": SMALL.model,
        "entity_keys": {"card": key(number % ENTITIES)},
    }


class KafkaLoad(Beside):
    """Requests by Kafka at `rate` a second."""

    def __init__(self, site: Site, rate: float, run: str) -> None:
        super().__init__()
        self.ledger = Ledger(f"{run}-k-")
        self.failed: list[str] = []  # what the log did not take
        self._rate = rate
        self._encode = codec(site.settings).encoder("prediction.requests", load("prediction_request"))
        self._producer = producer(site.settings.kafka_bootstrap, log_level=0)

    def run(self) -> None:
        """Write until stopped, and wait until the log holds it."""
        self.paced(self._rate, self._send)
        left = self._producer.flush(PATIENCE_S)
        if left:
            self.failed.append(f"{left} requests were not taken within {PATIENCE_S:.0f} s")

    def _send(self, number: int) -> None:
        name = self.ledger.name(number)
        self._producer.produce(
            "prediction.requests", self._encode(request(name, number)), name, on_delivery=self._delivered
        )
        self.ledger.sent = number + 1
        self._producer.poll(0)

    def _delivered(self, error: KafkaError | None, _: object) -> None:
        if error is not None:
            self.failed.append(str(error))


class Results(Beside):
    """Reads what is committed of the results: how often each id comes, and the answers of the Kafka load."""

    def __init__(self, site: Site, ledger: Ledger) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()
        self.errors: dict[str, str] = {}
        self._ledger = ledger
        self._codec = codec(site.settings)
        self._reader = consumer(site.settings.kafka_bootstrap, "faults", log_level=0)
        self._reader.assign([TopicPartition(_RESULTS, 0, OFFSET_BEGINNING)])

    def run(self) -> None:
        """Read until stopped."""
        while not self.stopping.is_set():
            for message in self._reader.consume(1_000, _TICK_S):
                if message.error() is None:
                    self._take(self._codec.decode(message.value() or b""))
        self._reader.close()

    def _take(self, result: dict[str, Any]) -> None:
        name = result["request_id"]
        if result["door"] != "kafka":
            return
        self.counts[name] += 1
        if result["error"] is not None:
            self.errors[name] = result["error"]
        if name.startswith(self._ledger.prefix):
            number = int(name.removeprefix(self._ledger.prefix))
            if result["error"] is None:
                self._ledger.answered(number, found_in(result, "rows"))
            else:
                self._ledger.refusals[number] = result["error"]


class Rows(Beside):
    """Rows of the group at `rate` a second, entity after entity; `newest` has each one's last `seq`."""

    def __init__(self, site: Site, rate: float) -> None:
        super().__init__()
        self.newest: dict[int, int] = {}
        self.sent = 0
        self.failed: list[str] = []
        self._site = site
        self._rate = rate
        self._encode = codec(site.settings).encoder(site.group.topic, site.group.avro_schema())
        self._producer = producer(site.settings.kafka_bootstrap, log_level=0)

    def run(self) -> None:
        """Write until stopped, and wait until the log holds it."""
        self.paced(self._rate, self._send)
        left = self._producer.flush(PATIENCE_S)
        if left:
            self.failed.append(f"{left} rows were not taken within {PATIENCE_S:.0f} s")

    def _send(self, number: int) -> None:
        entity, seq, now = number % ENTITIES, STREAMED + number // ENTITIES, wall_ms()
        place = {"topic": None, "partition": None, "offset": None}
        row = {"entity": key(entity), "event_timestamp": now, "last_event_time": now, "seq": seq, **place}
        value = self._encode(row | streamed(self._site.group, entity, seq))
        self._producer.produce(self._site.group.topic, value, key(entity), on_delivery=self._delivered)
        self.newest[entity] = seq
        self.sent = number + 1
        self._producer.poll(0)

    def _delivered(self, error: KafkaError | None, _: object) -> None:
        if error is not None:
            self.failed.append(str(error))
