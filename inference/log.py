"""The log of answers: encoded and spooled before an answer leaves."""

from collections.abc import Callable, Sequence

from inference.delivery import Outgoing
from inference.encoding import RESULTS, SHADOW, ResultEncoder
from inference.records import Result
from inference.spool import Spool, SpoolFullError


class AnswerLog:
    """Spools results; what it has taken survives a kill and an outage of Kafka.

    With `shed`, answers leave without a record where the spool is full, and it is told how many.
    """

    def __init__(
        self, spool: Spool, encoder: ResultEncoder, shed: Callable[[int], None] | None = None
    ) -> None:
        self._spool = spool
        self._encoder = encoder
        self._shed = shed

    def results(self, results: Sequence[Result], traces: Sequence[str] = ()) -> None:
        """Log answers, each with its `traceparent` where they are traced.

        Raises `SpoolError`, and then they must not leave.
        """
        records = self._encoder.records(RESULTS, results)
        if traces:
            records = [record._replace(trace=trace) for record, trace in zip(records, traces, strict=True)]
        try:
            self._append(records)
        except SpoolFullError:
            if self._shed is None:
                raise
            self._shed(len(records))

    def shadows(self, results: Sequence[Result]) -> None:
        """Log what shadow models would have answered."""
        self._append(self._encoder.records(SHADOW, results))

    def _append(self, records: Sequence[Outgoing]) -> None:
        if records:
            self._spool.append(records)
