"""The log of answers: encoded and spooled before an answer leaves."""

from collections.abc import Sequence

from inference.delivery import Outgoing
from inference.encoding import RESULTS, SHADOW, ResultEncoder
from inference.records import Result
from inference.spool import Spool


class AnswerLog:
    """Spools results; what it has taken survives a kill and an outage of Kafka."""

    def __init__(self, spool: Spool, encoder: ResultEncoder) -> None:
        self._spool = spool
        self._encoder = encoder

    def results(self, results: Sequence[Result], traces: Sequence[str] = ()) -> None:
        """Log answers, each with its `traceparent` where they are traced.

        Raises `SpoolError`, and then they must not leave.
        """
        records = self._encoder.records(RESULTS, results)
        if traces:
            records = [record._replace(trace=trace) for record, trace in zip(records, traces, strict=True)]
        self._append(records)

    def shadows(self, results: Sequence[Result]) -> None:
        """Log what shadow models would have answered."""
        self._append(self._encoder.records(SHADOW, results))

    def _append(self, records: Sequence[Outgoing]) -> None:
        if records:
            self._spool.append(records)
