"""Feature rows into the online store."""

from collections.abc import Callable, Iterator
from functools import partial
from threading import Event, Thread

from confluent_kafka.admin import AdminClient
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric

from augury.clients import codec, online_store
from augury.clock import wall_ms
from augury.settings import Settings
from features.layout import Layout
from features.project import Project
from schemas.log import consumer, producer
from schemas.metrics import LogLag, Sampled, counter, gauge, histogram
from schemas.records import TOPICS, load
from streams.materialiser import READING, Materialiser
from streams.reporter import REPORTS, Reporter


def run(
    project: Project, settings: Settings, stop: Event, ready: Callable[[], None], metrics: CollectorRegistry
) -> None:
    """Put feature rows into the online store."""
    layouts = {p.topic: (p.name, p.version, Layout.of(p)) for p in project.group_plans.values()}
    lag = LogLag()
    options = {**READING, **lag.options, **settings.kafka_client()}
    reader = consumer(settings.kafka_bootstrap, "augury.materialiser", **options)
    store = online_store(settings)
    materialiser = Materialiser(reader, store, codec(settings), layouts, wall_ms)
    metrics.register(Sampled(partial(_figures, materialiser, lag)))
    if settings.replay:  # its log's clock is another than the wall's
        materialiser.run(stop, ready)
        return
    reporter = Thread(target=_reporter(project, settings).run, args=(stop,), name="freshness", daemon=True)
    reporter.start()
    materialiser.run(stop, ready)
    reporter.join()


def _reporter(project: Project, settings: Settings) -> Reporter:
    options = settings.kafka_client()
    return Reporter(
        list(project.group_plans.values()),
        online_store(settings),
        AdminClient({"bootstrap.servers": settings.kafka_bootstrap, **options}),
        producer(settings.kafka_bootstrap, **options),
        codec(settings).encoder(REPORTS, load(TOPICS[REPORTS])),
        wall_ms,
        settings.freshness_ms / 1_000,
    )


def _figures(materialiser: Materialiser, lag: LogLag) -> Iterator[Metric]:
    groups, counts = materialiser.progress, materialiser.counts
    by_group = ("group", "version")
    yield counter(
        "augury_feature_rows_written_total",
        "Feature rows that became visible in the online store.",
        by_group,
        {group: progress.written for group, progress in groups.items()},
    )
    yield histogram(
        "augury_feature_row_lag_seconds",
        "How long it took from the log until a row was visible.",
        by_group,
        {group: progress.lags for group, progress in groups.items()},
    )
    yield gauge(
        "augury_feature_clock_timestamp_seconds",
        "How far a group has come on the log's clock, as its readers see it.",
        by_group,
        {group: p.clock / 1_000 for group, p in groups.items() if p.clock is not None},
    )
    yield counter(
        "augury_feature_rows_passed_over_total",
        "Feature rows that were not written: conflated or older are as they should be, refused are not.",
        ("why",),
        {why: getattr(counts, why) for why in ("conflated", "older", "refused")},
    )
    yield lag.metric()
