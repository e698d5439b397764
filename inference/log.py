"""The log of answers: encoded and spooled before an answer leaves."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from inference.delivery import Outgoing
from inference.records import Result
from inference.spool import Spool
from schemas.codec import Codec
from schemas.records import TOPICS, load

RESULTS, SHADOW = "prediction.results", "prediction.shadow"


class ResultEncoder:
    """Turns results into records of `prediction.results` and `prediction.shadow`, keyed by request."""

    def __init__(self, codec: Codec) -> None:
        self._encode: dict[str, Callable[[Mapping[str, Any]], bytes]] = {
            topic: codec.encoder(topic, load(TOPICS[topic])) for topic in (RESULTS, SHADOW)
        }

    def records(self, topic: str, results: Sequence[Result]) -> list[Outgoing]:
        """Encode results for `topic`."""
        encode = self._encode[topic]
        return [Outgoing(topic, result.request_id.encode(), encode(vars(result))) for result in results]


class AnswerLog:
    """Spools results; what it has taken survives a kill and an outage of Kafka."""

    def __init__(self, spool: Spool, encoder: ResultEncoder) -> None:
        self._spool = spool
        self._encoder = encoder

    def results(self, results: Sequence[Result]) -> None:
        """Log answers; raises `SpoolError`, and then they must not leave."""
        self._append(RESULTS, results)

    def shadows(self, results: Sequence[Result]) -> None:
        """Log what shadow models would have answered."""
        self._append(SHADOW, results)

    def _append(self, topic: str, results: Sequence[Result]) -> None:
        if results:
            self._spool.append(self._encoder.records(topic, results))
