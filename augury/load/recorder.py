"""What a run of load has seen."""

from array import array
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PERCENTS = (50.0, 90.0, 99.0, 99.9, 100.0)


@dataclass(frozen=True)
class Summary:
    """A run in figures; `ms` are the percentiles of the latencies, none where nothing was answered."""

    seconds: float
    answered: int
    per_second: float
    ms: dict[str, float]
    errors: dict[str, int]


class Recorder:
    """Latencies of answers, and errors by kind. Written by one thread."""

    def __init__(self) -> None:
        self._seconds = array("d")
        self.errors: Counter[str] = Counter()

    def add(self, seconds: float, problem: str | None) -> None:
        """Take an answer that took so long, or what there was in its place: an error has no latency."""
        if problem is None:
            self._seconds.append(seconds)
        else:
            self.errors[problem] += 1

    @property
    def answered(self) -> int:
        """How many answers there were."""
        return len(self._seconds)

    def recent_ms(self, *percents: float) -> list[float]:
        """Give percentiles of the last thousand answers, in ms, for a look in passing; or none."""
        recent = np.array(self._seconds[-1_000:]) * 1e3
        return np.percentile(recent, percents).tolist() if len(recent) else []

    @property
    def latencies_ms(self) -> NDArray[np.float64]:
        """The answers' latencies (n,), in ms, in the order in which they came."""
        return np.array(self._seconds) * 1e3

    def summary(self, elapsed: float) -> Summary:
        """Sum up a run of `elapsed` seconds."""
        found, count = self.latencies_ms, len(self._seconds)
        ms = np.percentile(found, PERCENTS).tolist() if count else []
        names = [f"p{percent:g}" for percent in PERCENTS[:-1]] + ["max"]
        rate = count / elapsed if elapsed > 0 else 0.0
        return Summary(elapsed, count, rate, dict(zip(names, ms, strict=False)), dict(self.errors))
