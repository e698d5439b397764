"""What the doors tell Prometheus of the requests that they answer."""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric

from inference.models import LoadedModel, Models
from inference.predictor import Answer
from inference.records import Result
from schemas.metrics import Distribution, LogLag, Sampled, counter, gauge, histogram

SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0)
BATCHES = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000)
PARTS = ("features", "on_demand", "model", "total")
OK = "ok"
_NAMELESS = frozenset({"unknown-model", "malformed", "too-large"})
_Counts = defaultdict[tuple[str, ...], int]
K = TypeVar("K")
V = TypeVar("V")


class Metrics:
    """One serving process's figures, in `registry`. Safe from any thread.

    They are counted in plain dictionaries under one lock, and become metrics when they are scraped: a
    client's own counters and histograms would take a lock each, ten times for an answer. What a client
    makes up, such as the name of a model that is not there, never becomes a label.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._mutex = threading.Lock()
        self._answers: defaultdict[tuple[str, str, int | None, str, str | None], int] = defaultdict(int)
        self._latency: dict[tuple[str, str], tuple[Distribution, ...]] = {}
        self._rows: defaultdict[tuple[str, int, str], int] = defaultdict(int)
        self._shadows: defaultdict[tuple[str, int | None, str], int] = defaultdict(int)
        self._defaults: defaultdict[tuple[str, int], int] = defaultdict(int)
        self._shed: _Counts = defaultdict(int)
        self._unlogged: _Counts = defaultdict(int)
        self._retries: _Counts = defaultdict(int)
        self._in_flight: _Counts = defaultdict(int)
        self._batches: dict[tuple[str, ...], Distribution] = {}
        registry.register(Sampled(self._collect))

    def answered(self, door: str, answers: Sequence[Answer]) -> None:
        """Count one batch of the predictor's answers; its latency is that of each request in it."""
        scored: dict[str, int] = {}
        with self._mutex:
            for answer in answers:
                result, problem = answer.result, answer.problem
                model = "" if problem in _NAMELESS else result.model_name
                self._answers[door, model, result.model_version_used, result.variant, problem] += 1
                for row in result.rows:
                    self._rows[row.group, row.version, row.state] += 1
                    if row.defaulted:
                        self._defaults[row.group, row.version] += 1
                if answer.job is not None:
                    scored[model] = scored.get(model, 0) + 1
                    timed = result
            for model, times in scored.items():
                parts = self._latency.get((door, model))
                if parts is None:
                    parts = self._latency[door, model] = tuple(Distribution(SECONDS) for _ in PARTS)
                parts[0].add(timed.latency.features / 1e3, times)
                parts[1].add(timed.latency.on_demand / 1e3, times)
                parts[2].add(timed.latency.model / 1e3, times)
                parts[3].add(timed.latency.total / 1e3, times)

    def refused(self, door: str, problem: str) -> None:
        """Count a request that never came to the predictor, by the kind of its problem."""
        with self._mutex:
            self._answers[door, "", None, "", problem] += 1

    def shadowed(self, results: Iterable[Result]) -> None:
        """Count what shadow models would have answered."""
        with self._mutex:
            for result in results:
                outcome = OK if result.error is None else "error"
                self._shadows[result.model_name, result.model_version_used, outcome] += 1

    def unshadowed(self, shadows: Iterable[LoadedModel]) -> None:
        """Count shadows that were not run, or whose records are lost: one for each request."""
        with self._mutex:
            for shadow in shadows:
                self._shadows[shadow.name, shadow.version, "lost"] += 1

    def shed(self, door: str, times: int = 1) -> None:
        """Count requests that were turned away because there was too much to do."""
        self._add(self._shed, (door,), times)

    def unlogged(self, times: int) -> None:
        """Count answers that have left without a record, for the spool was full."""
        self._add(self._unlogged, (), times)

    def retried(self, what: str, times: int = 1) -> None:
        """Count another try at what failed in an outage: `redis`, `registry`, `kafka`."""
        self._add(self._retries, (what,), times)

    def entered(self, door: str, times: int = 1) -> None:
        """Note that requests came in; each one is also to be told to `left`."""
        self._add(self._in_flight, (door,), times)

    def left(self, door: str, times: int = 1) -> None:
        """Note that requests were answered, refused or given up."""
        self._add(self._in_flight, (door,), -times)

    def batched(self, door: str, size: int) -> None:
        """Note how many requests a door took together."""
        with self._mutex:
            self._batches.setdefault((door,), Distribution(BATCHES)).add(size)

    def watch_models(self, models: Models) -> None:
        """Tell at each scrape which versions are loaded, and how often they were swapped."""
        self.registry.register(Sampled(lambda: _loaded(models)))

    def watch_spool(self, depth: Callable[[], tuple[int, int]]) -> None:
        """Tell at each scrape of the spool's depth: bytes and records that are not shipped."""
        self.registry.register(Sampled(lambda: _depth(depth)))

    def watch_lag(self, lag: LogLag) -> None:
        """Tell at each scrape how far the Kafka door's reader is behind."""
        self.registry.register(Sampled(lambda: [lag.metric()]))

    def _add(self, counts: _Counts, labels: tuple[str, ...], times: int) -> None:
        with self._mutex:
            counts[labels] += times

    def _collect(self) -> Iterator[Metric]:
        yield counter(
            "augury_requests_total",
            "Requests by what became of them: ok, or the kind of their problem.",
            ("door", "model", "version", "variant", "outcome"),
            {(*labels, problem or OK): n for (*labels, problem), n in self._copy(self._answers)},
        )
        yield histogram(
            "augury_request_duration_seconds",
            "Where the time of a request's batch went.",
            ("door", "model", "part"),
            {
                (*labels, part): distribution
                for labels, parts in self._copy(self._latency)
                for part, distribution in zip(PARTS, parts, strict=True)
            },
        )
        yield counter(
            "augury_vector_rows_total",
            "Feature rows asked for, by how they stood: fresh, stale or missing.",
            ("group", "version", "state"),
            dict(self._copy(self._rows)),
        )
        yield counter(
            "augury_shadow_predictions_total",
            "What shadow models would have answered: ok or error; lost, where that is not in the log.",
            ("model", "version", "outcome"),
            dict(self._copy(self._shadows)),
        )
        yield counter(
            "augury_defaults_used_total",
            "Rows in whose place a vector had the group's defaults.",
            ("group", "version"),
            dict(self._copy(self._defaults)),
        )
        for counts, name, meaning, labels in (
            (self._shed, "augury_requests_shed_total", "Requests turned away under load.", ("door",)),
            (self._unlogged, "augury_answers_unlogged_total", "Answers that are in no log.", ()),
            (
                self._retries,
                "augury_retries_total",
                "Further tries in an outage, by what was away.",
                ("what",),
            ),
        ):
            yield counter(name, meaning, labels, dict(self._copy(counts)))
        yield gauge(
            "augury_requests_in_flight",
            "Requests that came in and have not left.",
            ("door",),
            dict(self._copy(self._in_flight)),
        )
        yield histogram(
            "augury_batch_requests",
            "How many requests were taken together.",
            ("door",),
            dict(self._copy(self._batches)),
        )

    def _copy(self, counts: Mapping[K, V]) -> list[tuple[K, V]]:
        with self._mutex:
            return list(counts.items())


def _loaded(models: Models) -> Iterator[Metric]:
    found: dict[tuple[str, str, int], float] = {}
    for name in models.names():
        variants = models.variants(name)
        for variant in ("champion", "challenger", "shadow"):
            model = getattr(variants, variant)
            if model is not None:
                found[name, variant, model.version] = 1
    meaning = "Model versions that are loaded, by what they are."
    yield gauge("augury_model_loaded", meaning, ("model", "variant", "version"), found)
    meaning = "Changes of who answers for a model."
    yield counter("augury_model_swaps_total", meaning, ("model",), models.swaps)


def _depth(depth: Callable[[], tuple[int, int]]) -> Iterator[Metric]:
    size, records = depth()
    yield gauge("augury_spool_bytes", "Bytes of answers that Kafka does not hold yet.", (), {(): size})
    yield gauge("augury_spool_records", "Answers that Kafka does not hold yet.", (), {(): records})
