import pytest
from prometheus_client import generate_latest

from augury.reports.cost import processor_seconds_per_thousand
from augury.top.samples import Scrape
from schemas.metrics import Sampled, counter, process_registry


def scrape(answers: float | None) -> Scrape:
    """Scrape a process of its own that has given so many predictions, or is no door."""
    told = process_registry("one", "1")
    if answers is not None:
        names = ("door", "outcome")
        samples = {("http", "ok"): answers, ("http", "bad-request"): 7.0}
        told.register(Sampled(lambda: [counter("augury_requests_total", "Requests.", names, samples)]))
    return Scrape.parse(generate_latest(told).decode(), 0.0)


def test_each_service_is_charged_for_the_predictions_of_all_doors() -> None:
    scrapes = {"worker": scrape(500.0), "http": scrape(1_500.0), "sink": scrape(None)}
    seconds = {name: one.sums("process_cpu_seconds_total")[()] for name, one in scrapes.items()}
    found = processor_seconds_per_thousand(scrapes)
    assert list(found) == ["http", "sink", "worker"]
    assert found == pytest.approx({name: spent / 2 for name, spent in seconds.items()})


def test_without_predictions_there_is_no_figure() -> None:
    assert processor_seconds_per_thousand({"http": scrape(0.0)}) == {}
    assert processor_seconds_per_thousand({"sink": scrape(None)}) == {}
