"""The clients of the Kafka door; they need `augury-client[kafka]`."""

import asyncio
import math
import threading
import time
import uuid
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from functools import partial
from typing import Any, Self, Unpack

import httpx
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from augury_client.avro import Schemas, encode
from augury_client.errors import AuguryError, PredictionError, UnreachableError
from augury_client.records import Asked, Explanation, Latency, Prediction, Request, Row, known

_REQUESTS, _RESULTS = "prediction.requests", "prediction.results"
_POLL_S = 0.05
_BATCH = 500


class DeliveryError(AuguryError):
    """Kafka did not take the request."""


class ResultTimeoutError(AuguryError):
    """No result came in time. The request stands in the log, and is answered there."""


class KafkaClient:
    """Asks by `prediction.requests` and reads the answers from `prediction.results`; threads may share one.

    It reads all results from its start on, of all callers, and keeps its own: so one client a process, and
    the HTTP door where latency counts. `registry` is the URL of the schema registry's Confluent-compatible
    API; `options` are librdkafka's, such as those of its security; `timeout` is in seconds. Raises
    `UnreachableError` where Kafka or the registry does not answer in that time.
    """

    def __init__(
        self,
        bootstrap: str,
        registry: str,
        *,
        timeout: float = 30.0,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._timeout = timeout
        self._pending: dict[str, Future[Prediction]] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._schemas = Schemas(registry, timeout)
        clients = {"bootstrap.servers": bootstrap, **(options or {})}
        self._producer = Producer(_PRODUCING | {"message.timeout.ms": int(timeout * 1000)} | clients)
        self._consumer = Consumer(_CONSUMING | {"group.id": f"augury.client.{uuid.uuid4().hex}"} | clients)
        try:
            self._schema_id, self._schema = self._schemas.latest(f"{_REQUESTS}-value")
            self._consumer.assign(_ends(self._consumer, timeout))
        except (httpx.HTTPError, KafkaException) as error:
            self._consumer.close()
            self._schemas.close()
            raise UnreachableError(f"requests need Kafka and the schema registry: {error}") from error
        self._listener = threading.Thread(target=self._listen, name="augury-results", daemon=True)
        self._listener.start()

    def submit(self, request: Request) -> Future[Prediction]:
        """Send a request, and give what will hold its answer; a `PredictionError` is in the answer's `error`.

        The future fails with `DeliveryError` where Kafka does not take the request. Raises `ValueError` or
        `TypeError` for a value that the schema does not allow, and `ValueError` for a `request_id` that
        waits for its answer already.
        """
        record = request.fields()
        if request.vector is not None:
            record["vector"] = [math.nan if value is None else value for value in request.vector]
        payload = encode(self._schema_id, self._schema, record | {"requested_at": None})
        request_id = request.request_id
        future: Future[Prediction] = Future()
        with self._lock:
            if self._stop.is_set():
                raise AuguryError("a client that was closed sends nothing", request_id)
            if request_id in self._pending:
                raise ValueError(f"an answer is told by its request_id; {request_id!r} waits for one already")
            self._pending[request_id] = future
        future.add_done_callback(lambda _: self._forget(request_id))
        self._produce(request_id, payload)
        return future

    def predict(self, model: str, **asked: Unpack[Asked]) -> Prediction:
        """Give the answer to one request; `Request` has what the arguments mean.

        Raises `PredictionError` for a request that gets an error, `DeliveryError`, `ResultTimeoutError`.
        """
        request = Request(model, **asked)
        return _sound(self._await(request, self.submit(request), time.monotonic() + self._timeout))

    def predict_many(self, requests: Iterable[Request]) -> list[Prediction]:
        """Give the answers in the order of the requests. One that is wrong has an `error` in its answer.

        Raises `DeliveryError` and `ResultTimeoutError`, for the first request that has no answer.
        """
        sent = [(request, self.submit(request)) for request in requests]
        deadline = time.monotonic() + self._timeout
        try:
            return [self._await(request, future, deadline) for request, future in sent]
        finally:
            for _, future in sent:
                future.cancel()

    def close(self) -> None:
        """Send what waits to be sent, and stop; whoever waits for an answer gets an `AuguryError`."""
        with self._lock:
            self._stop.set()
        self._producer.flush(self._timeout)
        self._listener.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _produce(self, request_id: str, payload: bytes) -> None:
        told = partial(self._delivered, request_id)
        while True:
            try:
                self._producer.produce(_REQUESTS, payload, request_id, on_delivery=told)
                return
            except BufferError:  # the queue is full: the listener, or this, lets some go
                self._producer.poll(_POLL_S)

    def _await(self, request: Request, future: Future[Prediction], deadline: float) -> Prediction:
        try:
            return future.result(max(0.0, deadline - time.monotonic()))
        except TimeoutError as error:
            future.cancel()
            raise _late(request, self._timeout) from error

    def _delivered(self, request_id: str, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._settle(request_id, DeliveryError(f"Kafka did not take the request: {error}", request_id))

    def _listen(self) -> None:
        why = "the client was closed"
        try:
            while not self._stop.is_set():
                self._producer.poll(0)
                first = self._consumer.poll(_POLL_S)
                if first is not None:
                    for message in [first, *self._consumer.consume(_BATCH, 0)]:
                        self._take(message)
        except KafkaException as error:
            why = f"Kafka is lost to this client: {error}"
        finally:
            with self._lock:
                self._stop.set()
                left = list(self._pending)
            for request_id in left:
                self._settle(request_id, AuguryError(f"no answer will come, for {why}", request_id))
            self._consumer.close()
            self._schemas.close()

    def _take(self, message: Message) -> None:
        error = message.error()
        if error is not None:
            if error.fatal():
                raise KafkaException(error)
            return  # an outage, which librdkafka waits out
        request_id = (message.key() or b"").decode(errors="replace")
        if request_id not in self._pending:  # others' answers are not even decoded
            return
        try:
            record = self._schemas.decode(message.value() or b"")
            if record["door"] == "kafka":
                self._settle(request_id, _prediction(record))
        except Exception as error:  # whatever is wrong with one answer, the others are read
            wrong = AuguryError(f"the answer cannot be read: {error!r}", request_id)
            self._settle(request_id, wrong)

    def _settle(self, request_id: str, outcome: Prediction | AuguryError) -> None:
        future = self._forget(request_id)
        if future is None or not future.set_running_or_notify_cancel():
            return
        if isinstance(outcome, AuguryError):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)

    def _forget(self, request_id: str) -> Future[Prediction] | None:
        with self._lock:
            return self._pending.pop(request_id, None)


class AsyncKafkaClient:
    """`KafkaClient` for asyncio: it connects as it is entered, and its methods are awaited."""

    def __init__(
        self,
        bootstrap: str,
        registry: str,
        *,
        timeout: float = 30.0,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._connect = partial(KafkaClient, bootstrap, registry, timeout=timeout, options=options)
        self._timeout = timeout

    async def predict(self, model: str, **asked: Unpack[Asked]) -> Prediction:
        """Give the answer to one request, as `KafkaClient.predict`."""
        (answer,) = await self.predict_many([Request(model, **asked)])
        return _sound(answer)

    async def predict_many(self, requests: Iterable[Request]) -> list[Prediction]:
        """Give the answers in the order of the requests, as `KafkaClient.predict_many`."""
        sent = [(request, asyncio.wrap_future(self._kafka.submit(request))) for request in requests]
        try:
            async with asyncio.timeout(self._timeout):
                return [await future for _, future in sent]
        except TimeoutError as error:
            late = next(request for request, future in sent if not future.done() or future.cancelled())
            raise _late(late, self._timeout) from error
        finally:
            for _, future in sent:
                future.cancel()

    async def __aenter__(self) -> Self:
        self._kafka = await asyncio.to_thread(self._connect)
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self._kafka.close)


_PRODUCING: dict[str, Any] = {
    "partitioner": "murmur2_random",  # a key lands where Java's clients put it
    "enable.idempotence": True,
    "compression.type": "lz4",
    "linger.ms": 1,
}
_CONSUMING: dict[str, Any] = {
    "enable.auto.commit": False,
    "isolation.level": "read_committed",
    "fetch.wait.max.ms": 10,
}


def _ends(consumer: Consumer, timeout: float) -> list[TopicPartition]:
    """Give the results' partitions at their ends, asked for before any request is sent."""
    topic = consumer.list_topics(_RESULTS, timeout).topics[_RESULTS]
    if topic.error is not None:
        raise KafkaException(topic.error)
    places = [TopicPartition(_RESULTS, number) for number in topic.partitions]
    for place in places:
        place.offset = consumer.get_watermark_offsets(place, timeout)[1]
    return places


def _sound(answer: Prediction) -> Prediction:
    if answer.error is not None:
        raise PredictionError(answer.error, answer.request_id)
    return answer


def _late(request: Request, timeout: float) -> ResultTimeoutError:
    detail = f"no answer within {timeout} s; the request stands in the log, and is answered there"
    return ResultTimeoutError(detail, request.request_id)


def _prediction(record: Mapping[str, Any]) -> Prediction:
    """Read a `prediction_result`."""
    told = {
        "groups": tuple(Row(**known(Row, row)) for row in record["rows"]),
        "latency_ms": Latency(*(record[f"latency_{part}_ms"] for part in _PARTS)),
    }
    if record.get("bias") is not None:
        told["explanation"] = Explanation(record["bias"], record["contributions"])
    return Prediction(**known(Prediction, {**record, **told}))


_PARTS = ("features", "on_demand", "model", "total")
