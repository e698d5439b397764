"""The log of answers: encoded and spooled before an answer leaves."""

from collections.abc import Sequence

from inference.encoding import RESULTS, SHADOW, ResultEncoder
from inference.records import Result
from inference.spool import Spool


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
