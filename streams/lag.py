"""How long it took until something was visible."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


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
