"""Load on the Kafka door, and single questions to it."""

import time
from collections.abc import Callable, Sequence

from confluent_kafka import KafkaException, TopicPartition

from augury.clients import codec
from augury.load.pace import Pace
from augury.load.recorder import Recorder
from augury.load.requests import Body
from augury.settings import Settings
from schemas.log import consumer, producer
from schemas.records import load

_REQUESTS, _RESULTS = "prediction.requests", "prediction.results"
_TIMEOUT_S = 30.0
_BATCH = 500
_REPORT_S = 0.2
Report = Callable[[Recorder, float], None]


class KafkaDoor:
    """Sends requests to the log, and reads the results that come after it was opened.

    Raises `KafkaException` where the log cannot be reached, or has no topic of results.
    """

    def __init__(self, settings: Settings) -> None:
        self._codec = codec(settings)
        self._encode = self._codec.encoder(_REQUESTS, load("prediction_request"))
        options = settings.kafka_client()
        self._sender = producer(settings.kafka_bootstrap, **({"linger.ms": 1} | options))
        quick: dict[str, str | float] = {"fetch.wait.max.ms": 5, **options}
        self._reader = consumer(settings.kafka_bootstrap, "augury.load", **quick)
        topic = self._reader.list_topics(_RESULTS, timeout=_TIMEOUT_S).topics[_RESULTS]
        if topic.error is not None:
            raise KafkaException(topic.error)
        places = [TopicPartition(_RESULTS, number) for number in topic.partitions]
        for place in places:
            place.offset = self._reader.get_watermark_offsets(place, timeout=_TIMEOUT_S)[1]
        self._reader.assign(places)

    def send(self, request: Body) -> None:
        """Hand a request, with its id, to the client; raises `BufferError` where its queue is full."""
        self._sender.produce(_REQUESTS, self._encode(request), request["request_id"])
        self._sender.poll(0)

    def answers(self, wait: float) -> list[Body]:
        """Give the results that are there, after `wait` seconds at most where there are none."""
        first = self._reader.poll(wait)
        messages = [] if first is None else [first, *self._reader.consume(_BATCH, 0)]
        found = []
        for message in messages:
            error = message.error()
            if error is None:
                found.append(self._codec.decode(message.value() or b""))
            elif not error.retriable():
                raise KafkaException(error)
        return found

    def close(self) -> None:
        """Send what is not sent yet, and leave."""
        self._sender.flush(_TIMEOUT_S)
        self._reader.close()


def load_kafka(
    door: KafkaDoor, bodies: Sequence[Body], pace: Pace, run: str, report: Report
) -> tuple[Recorder, float]:
    """Ask by the log, with the bodies in turn, and wait for the answers, 30 s for the last ones.

    `run` makes the request ids its own; `report` is told now and then.
    """
    recorder, number, waiting = Recorder(), 0, dict[str, float]()
    start = reported = time.perf_counter()
    deadline = start + pace.seconds
    while True:
        now = time.perf_counter()
        due = pace.due(number, now - start)
        while due is not None and len(waiting) < pace.at_once and start + due <= now:
            name = f"{run}-{number}"
            try:
                door.send({"request_id": name, **bodies[number % len(bodies)]})
            except BufferError:
                break
            waiting[name] = now if pace.rate is None else start + due
            number += 1
            due = pace.due(number, now - start)
        if (due is None and not waiting) or now > deadline + _TIMEOUT_S:
            break
        for answer in door.answers(0.001):
            asked = waiting.pop(answer["request_id"], None)
            if asked is not None:
                recorder.add(time.perf_counter() - asked, None if answer["error"] is None else "error")
        if now - reported > _REPORT_S:
            report(recorder, now - start)
            reported = now
    for _ in waiting:
        recorder.add(_TIMEOUT_S, "no answer")
    for _ in range(pace.given_up(number)):
        recorder.add(_TIMEOUT_S, "not sent")
    return recorder, time.perf_counter() - start
