"""The thread that ships the spool to Kafka."""

import threading

from inference.delivery import Delivery
from inference.spool import Spool

_BATCH = 1_000
_IDLE_SECONDS = 1.0


class Shipper:
    """Ships `spool` in order, at least once; its position moves only over what Kafka has acknowledged."""

    def __init__(self, spool: Spool, delivery: Delivery) -> None:
        self._spool = spool
        self._delivery = delivery
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
            if records and not self._delivery.deliver(records, self._stop):
                return
            if after != position:
                self._spool.ship(after)
                position = after
            elif self._draining.is_set():
                return
            else:
                self._spool.grown.wait(_IDLE_SECONDS)
