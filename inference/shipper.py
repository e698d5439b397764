"""The thread that ships the spool to Kafka."""

import threading
from collections.abc import Sequence

from inference.delivery import Delivery, Outgoing
from inference.spool import Spool
from schemas.tracing import Span, Tracing

_BATCH = 1_000
_IDLE_SECONDS = 1.0
_ROUND_SECONDS = 0.02


class Shipper:
    """Ships `spool` in order, at least once; its position moves only over what Kafka has acknowledged.

    With `tracing`, a traced record's way to Kafka is a span, and what reads it is told of that.
    """

    def __init__(self, spool: Spool, delivery: Delivery, tracing: Tracing | None = None) -> None:
        self._spool = spool
        self._delivery = delivery
        self._tracing = tracing
        self._draining = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="spool-shipper", daemon=True)

    def start(self) -> None:
        """Start with what an earlier process left."""
        self._thread.start()

    def stop(self, grace: float = 5.0) -> None:
        """Ship what is there for up to `grace` seconds, then stop; the rest stays for the next start."""
        self._draining.set()
        self._spool.grown.set()
        self._thread.join(grace)
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        position = self._spool.position()
        while not self._stop.is_set():
            self._spool.grown.clear()  # before reading, so that no record is slept through
            records, after = self._spool.read(position, _BATCH)
            if records and not self._deliver(records):
                return
            if after != position:
                self._spool.ship(after, len(records))
                position = after
                if len(records) < _BATCH:
                    self._draining.wait(_ROUND_SECONDS)  # each round costs a write of the position
            elif self._draining.is_set():
                return
            else:
                self._spool.grown.wait(_IDLE_SECONDS)

    def _deliver(self, records: Sequence[Outgoing]) -> bool:
        spans: list[Span] = []
        if self._tracing is not None:
            begun = [self._tracing.sent(r.topic, r.trace) if r.trace else None for r in records]
            spans = [span for span in begun if span is not None]
            records = [
                record if span is None else record._replace(trace=span.traceparent)
                for record, span in zip(records, begun, strict=True)
            ]
        done = self._delivery.deliver(records, self._stop)
        for span in spans:
            if not done:
                span.failed("stopped")
            span.end()
        return done
