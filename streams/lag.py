"""How long it took until something was visible."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from schemas.metrics import Distribution

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0)


@dataclass
class Progress:
    """How far a group has come in the online store.

    Rows that became visible, their lags in seconds, and its clock there in ms (None before the first).
    Written by one thread, read by any.
    """

    written: int = 0
    lags: Distribution = field(default_factory=lambda: Distribution(SECONDS))
    clock: int | None = None

    def add(self, written: int, lags_ms: Sequence[float]) -> None:
        """Take further rows, and lags in ms."""
        self.written += written
        for lag in lags_ms:
            self.lags.add(lag / 1_000)


class Lag:
    """The last `capacity` lags, in ms. Written by one thread, read by any."""

    def __init__(self, capacity: int = 100_000) -> None:
        self._lags: NDArray[np.float64] = np.empty(capacity)
        self.count = 0

    def add(self, lags: Sequence[float]) -> None:
        """Take further lags, in ms."""
        capacity = len(self._lags)
        kept = lags[-capacity:]
        start = self.count + len(lags) - len(kept)
        self._lags[np.arange(start, start + len(kept)) % capacity] = kept
        self.count += len(lags)

    def percentiles(self, *percents: float) -> list[float]:
        """Give the percentiles (0 to 100) of the kept lags, in ms; NaN for each while there are none."""
        kept = self._lags[: self.count]
        if not len(kept):
            return [float("nan")] * len(percents)
        return [float(p) for p in np.percentile(kept, percents)]
