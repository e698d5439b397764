"""JSON as the HTTP door reads and writes it: requests to bodies, bodies to answers."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from augury_client.records import Explanation, Latency, ModelInfo, Prediction, Request, Row, known

_MOST_REQUESTS = 1_000
_MOST_BYTES = (1 << 20) - 64  # what the door takes, less the frame of a batch


def body_of(request: Request) -> bytes:
    """Give a request as JSON. Raises `ValueError` for infinity, NaN and a datetime without a zone."""
    # What is not asked for is not written: an earlier door may not know of it.
    stated = {name: held for name, held in request.fields().items() if held is not None and held is not False}
    return json.dumps(stated, allow_nan=False).encode()


def batches(requests: Iterable[Request]) -> Iterator[bytes]:
    """Give the bodies of as few batches as the door's limits allow, in order."""
    held: list[bytes] = []
    size = 0
    for body in map(body_of, requests):
        if held and (len(held) == _MOST_REQUESTS or size + len(body) > _MOST_BYTES):
            yield _batch(held)
            held, size = [], 0
        held.append(body)
        size += len(body) + 1
    if held:
        yield _batch(held)


def _batch(bodies: list[bytes]) -> bytes:
    return b'{"requests":[' + b",".join(bodies) + b"]}"


def prediction_of(body: Mapping[str, Any]) -> Prediction:
    """Read an answer."""
    read = known(Prediction, body)
    read["groups"] = tuple(Row(**known(Row, row)) for row in body["groups"])
    read["latency_ms"] = Latency(**known(Latency, body["latency_ms"]))
    explained = body.get("explanation")
    read["explanation"] = None if explained is None else Explanation(**known(Explanation, explained))
    return Prediction(**read)


def model_of(body: Mapping[str, Any]) -> ModelInfo:
    """Read what the door tells of a model."""
    return ModelInfo(**known(ModelInfo, body))
