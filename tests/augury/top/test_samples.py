import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest

from augury.top.samples import Scrape, Window
from schemas.metrics import Distribution, Sampled, counter, histogram, process_registry

BOUNDS = (0.001, 0.01, 0.1, 1.0)


class Process:
    """A process with a counter and a histogram, scraped as Prometheus would."""

    def __init__(self) -> None:
        self.counts = {("a", "ok"): 0.0, ("a", "busy"): 0.0, ("b", "ok"): 0.0}
        self.took = {"a": Distribution(BOUNDS), "b": Distribution(BOUNDS)}
        self.registry = process_registry("http", "1")
        self.registry.register(
            Sampled(
                lambda: (
                    counter("asked_total", "Asked.", ("model", "outcome"), self.counts),
                    histogram("took_seconds", "Took.", ("model",), self.took),
                )
            )
        )

    def scrape(self, after: float) -> Scrape:
        """Scrape `after` seconds after the process began."""
        text = generate_latest(self.registry).decode()
        began = Scrape.parse(text, 0.0).sums("process_start_time_seconds")[()]
        return Scrape.parse(text, began + after)


def test_rates_are_of_the_window_and_summed_by_labels() -> None:
    process = Process()
    process.counts["a", "ok"] = 100
    first = process.scrape(10)
    assert Window(first).rates("asked_total", "model")["a",] == pytest.approx(10)
    process.counts["a", "ok"] += 30
    process.counts["a", "busy"] += 10
    window = Window(process.scrape(15), first)
    assert window.rates("asked_total", "model") == {("a",): pytest.approx(8), ("b",): 0}
    assert window.rates("asked_total", "outcome")["ok",] == pytest.approx(6)
    assert window.rates("asked_total") == {(): pytest.approx(8)}
    assert window.rates("nothing_total") == {}


def test_a_process_that_was_started_anew_counts_from_its_start() -> None:
    process = Process()
    process.counts["a", "ok"] = 500
    old = process.scrape(100)
    samples = {**old.samples, "process_start_time_seconds": {frozenset(): 1.0}}
    before = Scrape(old.at - 50, samples)
    process.counts["a", "ok"] = 20
    assert Window(process.scrape(100), before).rates("asked_total", "model")["a",] == pytest.approx(0.2)


def test_quantiles_are_of_what_came_in_the_window() -> None:
    process = Process()
    process.took["a"].add(0.5, 1_000)
    first = process.scrape(10)
    process.took["a"].add(0.005, 10)
    window = Window(process.scrape(11), first)
    found = window.quantiles(0.5, "took_seconds", "model")
    assert found == {("a",): pytest.approx(0.0055)}
    assert Window(first).quantiles(0.5, "took_seconds", "model")["a",] == pytest.approx(0.55)


def test_what_is_slower_than_all_bounds_is_told_as_the_last() -> None:
    process = Process()
    process.took["a"].add(30.0)
    assert Window(process.scrape(1)).quantiles(0.99, "took_seconds", "model") == {("a",): 1.0}


@given(st.lists(st.floats(0.0001, 1.0), min_size=1, max_size=60), st.floats(0.01, 1.0))
def test_a_quantile_lies_in_the_bucket_of_the_true_one(values: list[float], q: float) -> None:
    process = Process()
    for value in values:
        process.took["a"].add(value)
    found = Window(process.scrape(1)).quantiles(q, "took_seconds", "model")["a",]
    true = float(np.quantile(values, q, method="inverted_cdf"))
    place = int(np.searchsorted(BOUNDS, true))
    assert (0.0, *BOUNDS)[place] <= found <= BOUNDS[place] * (1 + 1e-9)
