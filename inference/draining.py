"""A door that says before it stops that it will, so that whoever balances the load takes it out meanwhile."""

import signal
from time import monotonic
from types import FrameType

import uvicorn

from inference.records import RequestError


class Drain:
    """The `seconds` that a door answers on after it was told to stop, and is not ready."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until: float | None = None

    def begin(self) -> bool:
        """Begin, or say that there is nothing to begin: it has begun, or takes no time."""
        if self._until is not None or not self._seconds:
            return False
        self._until = monotonic() + self._seconds
        return True

    @property
    def over(self) -> bool:
        """Whether the time is over."""
        return self._until is not None and monotonic() >= self._until

    def check(self) -> None:
        """Raise `RequestError` (draining) where no new calls should come."""
        if self._until is not None:
            raise RequestError(
                "draining",
                f"a door that was told to stop answers for another {self._seconds:g} s and is not ready, so "
                "that new calls go to others; this one was told",
            )


class DrainingServer(uvicorn.Server):
    """Drains after SIGTERM, then stops; a second signal stops it at once."""

    def __init__(self, config: uvicorn.Config, drain: Drain) -> None:
        super().__init__(config)
        self._drain = drain

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain, or stop."""
        if sig != signal.SIGTERM or not self._drain.begin():
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Stop when the time is over; uvicorn asks ten times a second."""
        self.should_exit |= self._drain.over
        return await super().on_tick(counter)
