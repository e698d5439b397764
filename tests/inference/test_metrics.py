import threading
from typing import Any

import pytest
from msgspec.structs import replace
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from inference.metrics import Metrics
from inference.records import Request
from inference.spool import Spool

from .onnx_models import regressor
from .world import World

KEYS = {"carrier": "AA", "route": "JFK|LAX"}
INPUTS = {"scheduled_at": 3_600_000 * 5, "distance": 1200.0}


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry())


@pytest.fixture
def served(world: World) -> World:
    world.put("carrier_delay", "AA", 7, arr_delay_mean_1h=2.5, count_1d=3, diverted_last=False)
    world.put("route_delay", "JFK|LAX", 1, arr_delay_mean_7d=-4.25)
    world.tick("carrier_delay")
    world.serve(regressor(6))
    return world


def scraped(metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Give all samples, out of the text that a scraper is given."""
    text = generate_latest(metrics.registry).decode()
    families = text_string_to_metric_families(text)
    return {(s.name, frozenset(s.labels.items())): s.value for f in families for s in f.samples}


def value(metrics: Metrics, name: str, **labels: Any) -> float | None:
    wanted = frozenset((key, str(held)) for key, held in labels.items())
    return scraped(metrics).get((name, wanted))


def test_answers_are_counted_by_what_became_of_them(metrics: Metrics, served: World) -> None:
    fine = Request("a", "late", entity_keys=KEYS, inputs=INPUTS)
    batch = [fine, fine, replace(fine, model_version=1), replace(fine, entity_keys={})]
    metrics.answered("http", served.predictor.predict(batch, "http"))
    asked = {"door": "http", "model": "late"}
    name = "augury_requests_total"
    assert value(metrics, name, **asked, version=1, variant="champion", outcome="ok") == 2
    assert value(metrics, name, **asked, version=1, variant="pinned", outcome="ok") == 1
    assert value(metrics, name, **asked, version="", variant="champion", outcome="missing-entity") == 1
    rows = "augury_vector_rows_total"
    assert value(metrics, rows, group="carrier_delay", version=1, state="fresh") == 3
    assert value(metrics, rows, group="route_delay", version=2, state="stale") == 3


def test_latencies_are_seconds_of_each_scored_request(metrics: Metrics, served: World) -> None:
    fine = Request("a", "late", entity_keys=KEYS, inputs=INPUTS)
    answers = served.predictor.predict([fine, fine, replace(fine, model_version=9)], "http")
    metrics.answered("http", answers)
    metrics.answered("kafka", served.predictor.predict([replace(fine, model_version=9)], "kafka"))
    name = "augury_request_duration_seconds"
    for part in ("features", "on_demand", "model", "total"):
        assert value(metrics, f"{name}_count", door="http", model="late", part=part) == 2
        took = getattr(answers[0].result.latency, part) / 1e3
        assert value(metrics, f"{name}_sum", door="http", model="late", part=part) == pytest.approx(2 * took)
    assert value(metrics, f"{name}_count", door="kafka", model="late", part="total") is None


def test_what_a_client_makes_up_is_no_label(metrics: Metrics, served: World) -> None:
    metrics.answered("http", served.predictor.predict([Request("a", f"m{n}") for n in range(50)], "http"))
    names = {dict(labels)["model"] for name, labels in scraped(metrics) if name == "augury_requests_total"}
    assert names == {""}


def test_refusals_shedding_and_retries(metrics: Metrics) -> None:
    metrics.refused("http", "unauthorized")
    metrics.shed("http")
    metrics.retried("redis", 2)
    metrics.batched("kafka", 300)
    labels = {"door": "http", "model": "", "version": "", "variant": "", "outcome": "unauthorized"}
    assert value(metrics, "augury_requests_total", **labels) == 1
    assert value(metrics, "augury_requests_shed_total", door="http") == 1
    assert value(metrics, "augury_retries_total", what="redis") == 2
    assert value(metrics, "augury_batch_requests_bucket", door="kafka", le="250.0") == 0
    assert value(metrics, "augury_batch_requests_bucket", door="kafka", le="500.0") == 1


def test_shadows_are_counted_apart(metrics: Metrics, served: World) -> None:
    served.register(regressor(6, 2.0))
    served.registry.start_trial("late", 2, by="t", why="t")
    served.models.refresh()
    predictor = served.predictor
    answers = predictor.predict([Request("a", "late", entity_keys=KEYS, inputs=INPUTS)], "http")
    metrics.shadowed(predictor.shadow(answers))
    (job,) = (answer.job for answer in answers)
    assert job is not None
    assert job.shadow is not None
    metrics.unshadowed([job.shadow] * 3)
    assert value(metrics, "augury_shadow_predictions_total", model="late", version=2, outcome="lost") == 3
    assert value(metrics, "augury_shadow_predictions_total", model="late", version=2, outcome="ok") == 1


def test_what_is_loaded_and_what_waits(metrics: Metrics, served: World) -> None:
    with Spool(served.folder / "spool") as spool:
        metrics.watch_models(served.models)
        metrics.watch_spool(spool.depth)
        assert value(metrics, "augury_model_loaded", model="late", variant="champion", version=1) == 1
        assert value(metrics, "augury_spool_records") == 0
        served.register(regressor(6, 2.0))
        served.registry.start_trial("late", 2, by="t", why="t")
        served.models.refresh()
        served.models.refresh()
        assert value(metrics, "augury_model_loaded", model="late", variant="shadow", version=2) == 1
        assert value(metrics, "augury_model_swaps_total", model="late") == 1


def test_nothing_is_lost_between_threads(metrics: Metrics, served: World) -> None:
    answers = served.predictor.predict([Request("a", "late", entity_keys=KEYS, inputs=INPUTS)] * 2, "http")

    def count() -> None:
        for _ in range(500):
            metrics.entered("http")
            metrics.answered("http", answers)
            metrics.left("http")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        scraped(metrics)
    for thread in threads:
        thread.join()
    asked = {"door": "http", "model": "late", "version": 1, "variant": "champion", "outcome": "ok"}
    assert value(metrics, "augury_requests_total", **asked) == 4_000
    assert value(metrics, "augury_requests_in_flight", door="http") == 0
