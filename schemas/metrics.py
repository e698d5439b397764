"""What every process tells Prometheus with: a registry, figures read at a scrape, a door for the scraper."""

import json
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Info,
    PlatformCollector,
    ProcessCollector,
    start_http_server,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

V = TypeVar("V")
Samples = Mapping[Any, V]
"""Values by those of their labels: a tuple, or the one label's itself. None is written as an empty text."""


class Distribution:
    """How many values lay in each bucket. `bounds` are the buckets' upper ends, which belong to them."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def add(self, value: float, times: int = 1) -> None:
        """Take a value that was met `times` times."""
        self._counts[bisect_left(self._bounds, value)] += times
        self._sum += value * times

    def read(self) -> tuple[list[tuple[str, float]], float]:
        """Give the counts of values up to each bound, as Prometheus spells it, and the sum of all values."""
        total, upto = 0, []
        names = [*(str(float(bound)) for bound in self._bounds), "+Inf"]
        for name, count in zip(names, list(self._counts), strict=True):
            total += count
            upto.append((name, float(total)))
        return upto, self._sum


class LogLag:
    """How many records a consumer has not taken yet, by what it says of itself every two seconds.

    The consumer is made with `options`, and tells it while it is polled. It is not asked: what asks for
    its partitions from another thread can wait for the one that polls, for ever.
    """

    def __init__(self) -> None:
        self.options: dict[str, Any] = {"statistics.interval.ms": 2_000, "stats_cb": self._hear}
        self._behind: dict[tuple[str, str], float] = {}

    def metric(self) -> Metric:
        """Give the gauge; a partition that is not read here is left out."""
        meaning = "Records of the log that are not taken yet."
        return gauge("augury_log_lag_records", meaning, ("topic", "partition"), self._behind)

    def _hear(self, told: str) -> None:
        behind: dict[tuple[str, str], float] = {}
        for topic, known in json.loads(told)["topics"].items():
            for number, state in known["partitions"].items():
                # the end for a reader of committed records; then what it took, had taken, or will fetch
                end = state["ls_offset"] if state["ls_offset"] >= 0 else state["hi_offset"]
                offsets = (state[f"{name}_offset"] for name in ("app", "committed", "next"))
                taken = next((offset for offset in offsets if offset >= 0), None)
                if state["fetch_state"] == "active" and taken is not None and end >= 0:
                    behind[topic, number] = max(0, end - taken)
        self._behind = behind


class Sampled(Collector):
    """Metrics that `sample` gives at each scrape, in the scraper's thread."""

    def __init__(self, sample: Callable[[], Iterable[Metric]]) -> None:
        self._sample = sample

    def collect(self) -> Iterable[Metric]:
        """Read them."""
        return self._sample()


def counter(name: str, meaning: str, labels: Sequence[str], samples: Samples[float]) -> Metric:
    """Give a counter; its name ends in `_total`."""
    family = CounterMetricFamily(name, meaning, labels=labels)
    for values, value in _labelled(samples):
        family.add_metric(values, value)
    return family


def gauge(name: str, meaning: str, labels: Sequence[str], samples: Samples[float]) -> Metric:
    """Give a gauge."""
    family = GaugeMetricFamily(name, meaning, labels=labels)
    for values, value in _labelled(samples):
        family.add_metric(values, value)
    return family


def histogram(name: str, meaning: str, labels: Sequence[str], samples: Samples[Distribution]) -> Metric:
    """Give a histogram."""
    family = HistogramMetricFamily(name, meaning, labels=labels)
    for values, distribution in _labelled(samples):
        buckets, total = distribution.read()
        family.add_metric(values, buckets, total)
    return family


def dead_letters(origin: str, count: int) -> Metric:
    """Give the counter of what a process has refused."""
    meaning = "Records that were refused, and are in dead_letters."
    return counter("augury_dead_letters_total", meaning, ("origin",), {origin: count})


def _labelled(samples: Samples[V]) -> Iterator[tuple[list[str], V]]:
    for key, value in list(samples.items()):  # others may add to them meanwhile
        values = key if isinstance(key, tuple) else (key,)
        yield ["" if each is None else str(each) for each in values], value


def process_registry(service: str, version: str) -> CollectorRegistry:
    """Give a registry that tells of the process itself: its build, memory, processor time and files."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    build = Info("augury_build", "What runs.", registry=registry)
    build.info({"service": service, "version": version})
    return registry


@contextmanager
def exposing(registry: CollectorRegistry, host: str, port: int) -> Iterator[None]:
    """Serve `/metrics` at a port while the block runs; port 0 means not at all."""
    if not port:
        yield
        return
    server, thread = start_http_server(port, host, registry)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
