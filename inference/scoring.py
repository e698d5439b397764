"""From what was read on Kafka to records of results, for single requests and for batches."""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from inference.delivery import Outgoing
from inference.encoding import RESULTS, SHADOW, ResultEncoder
from inference.metrics import Metrics
from inference.outages import patiently
from inference.predictor import Answer, Predictor
from inference.records import ID_CHARACTERS, Request, RequestError, Result, request_of

DOOR = "kafka"
T = TypeVar("T")


class Scoring:
    """Puts requests to the models, waits out the outages of stores until `stop`, and encodes the results."""

    def __init__(
        self, predictor: Predictor, encoder: ResultEncoder, stop: threading.Event, metrics: Metrics
    ) -> None:
        self._predictor = predictor
        self._encoder = encoder
        self._stop = stop
        self._metrics = metrics

    def request(self, record: object) -> Request | Result | None:
        """Give the request in a decoded record, or its refusal; None where nobody could be told of that."""
        try:
            return request_of(record)
        except RequestError as error:
            return self.refusal(record, error)

    def refusal(self, record: object, error: RequestError) -> Result | None:
        """Give the result of a record that is no request; None where its `request_id` cannot be read."""
        request_id = record.get("request_id") if isinstance(record, Mapping) else None
        if not isinstance(request_id, str) or len(request_id) > ID_CHARACTERS:
            return None
        assert isinstance(record, Mapping)
        request = Request(request_id, str(record.get("model_name"))[:ID_CHARACTERS])
        return self._predictor.refuse(request, DOOR, error)

    def score(
        self, read: Sequence[Request | Result | None], received: Sequence[int] | None = None
    ) -> tuple[list[Answer], list[Result | None], list[Outgoing | None]]:
        """Answer the requests; give the answers, and for each of `read` its result and the record of that.

        `received` tells when each of `read` came (ms since the epoch). Raises `StoppedError`.
        """
        requests = [each for each in read if isinstance(each, Request)]
        if received is not None:
            received = [at for at, each in zip(received, read, strict=True) if isinstance(each, Request)]
        answers = self.patiently(lambda: self._predictor.predict(requests, DOOR, received))
        self._metrics.batched(DOOR, len(requests))
        answered = iter(answers)
        results = [next(answered).result if isinstance(each, Request) else each for each in read]
        encoded = iter(self._encoder.records(RESULTS, [result for result in results if result is not None]))
        return answers, results, [None if result is None else next(encoded) for result in results]

    def shadow(self, answers: Sequence[Answer]) -> dict[str, list[Outgoing]]:
        """Put the answered requests to the shadow model; give the records by `request_id`.

        Raises `StoppedError`.
        """
        results = self.patiently(lambda: self._predictor.shadow(answers))
        self._metrics.shadowed(results)
        records: dict[str, list[Outgoing]] = {}
        for result, record in zip(results, self._encoder.records(SHADOW, results), strict=True):
            records.setdefault(result.request_id, []).append(record)
        return records

    def settled(self, answers: Sequence[Answer], refused: int = 0) -> None:
        """Count answers, and records that are no requests, once they are in the log."""
        self._metrics.answered(DOOR, answers)
        for _ in range(refused):
            self._metrics.refused(DOOR, "malformed")

    def patiently(self, step: Callable[[], T]) -> T:
        """Do a step, again and again in an outage of a store. Raises `StoppedError`."""
        return patiently(step, self._stop, self._metrics.retried)

    def too_large(self, result: Result, reason: str) -> list[Outgoing]:
        """Give the record of an error, in place of a result that Kafka does not take."""
        error = RequestError(
            "too-large", f"Kafka takes a result before it counts; the one of this request is lost: {reason}"
        )
        request = Request(result.request_id, result.model_name)
        return self._encoder.records(RESULTS, [self._predictor.refuse(request, DOOR, error)])
