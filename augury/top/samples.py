"""What was scraped: samples, and what became of them between two scrapes."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

_START = "process_start_time_seconds"
Labels = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Scrape:
    """The samples of one process at a moment `at`, in seconds since the epoch: labels and value, by name."""

    at: float
    samples: dict[str, dict[Labels, float]]

    @classmethod
    def parse(cls, text: str, at: float) -> "Scrape":
        """Read Prometheus's text format; raises `ValueError` for anything else."""
        samples: dict[str, dict[Labels, float]] = defaultdict(dict)
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                samples[sample.name][frozenset(sample.labels.items())] = sample.value
        return cls(at, dict(samples))

    def sums(self, name: str, *by: str) -> dict[tuple[str, ...], float]:
        """Sum a metric's samples by the values of some of its labels."""
        return _summed(self.samples.get(name, {}).items(), by)


@dataclass(frozen=True)
class Window:
    """From a scrape to the next one of the same process; without the first, from the process's start."""

    now: Scrape
    before: Scrape | None = None

    @property
    def seconds(self) -> float:
        """How long it is."""
        last = self._last
        began = self.now.sums(_START).get((), self.now.at) if last is None else last.at
        return max(self.now.at - began, 1e-3)

    def rates(self, name: str, *by: str) -> dict[tuple[str, ...], float]:
        """Give a counter's growth a second, by the values of some labels."""
        return {key: grown / self.seconds for key, grown in _summed(self._grown(name), by).items()}

    def quantiles(self, q: float, name: str, *by: str) -> dict[tuple[str, ...], float]:
        """Give a histogram's quantile (0 to 1), by the values of some labels, as Prometheus does.

        Within a bucket values are taken to be spread evenly; beyond the last bound it is that bound. What saw
        nothing in the window is left out.
        """
        buckets: dict[tuple[str, ...], dict[float, float]] = defaultdict(dict)
        for (*key, bound), count in _summed(self._grown(f"{name}_bucket"), (*by, "le")).items():
            buckets[tuple(key)][float(bound)] = count
        found = {key: _quantile(q, counts) for key, counts in buckets.items()}
        return {key: value for key, value in found.items() if not math.isnan(value)}

    @property
    def _last(self) -> Scrape | None:
        """The scrape before, unless the process was started since, so that it counts from nothing."""
        same = self.before is not None and self.before.sums(_START) == self.now.sums(_START)
        return self.before if same else None

    def _grown(self, name: str) -> Iterator[tuple[Labels, float]]:
        last = self._last
        known = {} if last is None else last.samples.get(name, {})
        for labels, value in self.now.samples.get(name, {}).items():
            yield labels, value - known.get(labels, 0.0)


def _summed(samples: Iterable[tuple[Labels, float]], by: tuple[str, ...]) -> dict[tuple[str, ...], float]:
    sums: dict[tuple[str, ...], float] = defaultdict(float)
    for labels, value in samples:
        known = dict(labels)
        sums[tuple(known.get(name, "") for name in by)] += value
    return dict(sums)


def _quantile(q: float, counts: dict[float, float]) -> float:
    bounds = sorted(counts)
    total = counts[bounds[-1]]
    if not total:
        return math.nan
    low = below = 0.0
    for bound in bounds:
        if counts[bound] >= q * total:
            if math.isinf(bound):
                return low
            within = counts[bound] - below
            return low + (bound - low) * (q * total - below) / within if within else bound
        low, below = bound, counts[bound]
    return low
