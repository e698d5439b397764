import time
import uuid
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from augury.settings import LOOPBACK, free_ports
from schemas.log import Topic, consumer, create_topics, deliver, producer
from schemas.metrics import Distribution, LogLag, Sampled, counter, exposing, histogram, process_registry

BOUNDS = (0.5, 1.0, 2.0)


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(text)
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for f in families for s in f.samples}


@given(st.lists(st.tuples(st.sampled_from([0.1, 0.5, 0.7, 1.0, 2.0, 2.1, 9.0]), st.integers(1, 5))))
def test_a_distribution_counts_values_up_to_each_bound(given_: list[tuple[float, int]]) -> None:
    distribution = Distribution(BOUNDS)
    for value, times in given_:
        distribution.add(value, times)
    values = [value for value, times in given_ for _ in range(times)]
    upto, total = distribution.read()
    for bound, (name, count) in zip((*BOUNDS, float("inf")), upto, strict=True):
        assert float(name) == bound
        assert count == sum(value <= bound for value in values)
    assert total == pytest.approx(sum(values))


def test_a_scraper_reads_what_is_true_at_the_scrape() -> None:
    registry = process_registry("sink", "1.2.3")
    counts: dict[Any, float] = {("a", None): 1}
    spread = Distribution(BOUNDS)
    registry.register(
        Sampled(
            lambda: (
                counter("tried_total", "Tries.", ("what", "version"), counts),
                histogram("took_seconds", "Time.", ("what",), {"a": spread}),
            )
        )
    )
    (port,) = free_ports(1)
    with exposing(registry, LOOPBACK, port):
        found = samples(httpx.get(f"http://{LOOPBACK}:{port}/metrics").text)
        assert found["augury_build_info", (("service", "sink"), ("version", "1.2.3"))] == 1
        assert found["process_resident_memory_bytes", ()] > 0
        assert found["tried_total", (("version", ""), ("what", "a"))] == 1
        counts["a", None] += 2
        spread.add(0.7)
        found = samples(httpx.get(f"http://{LOOPBACK}:{port}/metrics").text)
        assert found["tried_total", (("version", ""), ("what", "a"))] == 3
        assert found["took_seconds_bucket", (("le", "1.0"), ("what", "a"))] == 1
        assert found["took_seconds_sum", (("what", "a"),)] == 0.7
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://{LOOPBACK}:{port}/metrics")


def test_port_0_is_nowhere() -> None:
    registry = process_registry("sink", "1.2.3")
    with exposing(registry, LOOPBACK, 0):
        assert b"augury_build_info" in generate_latest(registry)


@pytest.mark.stack
def test_lag_is_what_the_reader_has_not_taken(stack: Any) -> None:
    bootstrap, topic = stack.settings.kafka_bootstrap, f"lag.{uuid.uuid4().hex}"
    create_topics(bootstrap, [Topic(topic)])
    deliver(producer(bootstrap), [{"topic": topic, "value": b"x"} for _ in range(10)])
    lag = LogLag()
    reader = consumer(bootstrap, topic, **lag.options)
    reader.subscribe([topic])
    assert lag.metric().samples == []
    for _ in range(3):
        while reader.poll(30) is None:
            pass
    reader.pause(reader.assignment())  # so that what is polled from now on is what it says of itself
    deadline = time.monotonic() + 60
    while [sample.value for sample in lag.metric().samples] != [7]:
        assert reader.poll(0.5) is None
        assert time.monotonic() < deadline
    (found,) = lag.metric().samples
    assert found.labels == {"topic": topic, "partition": "0"}
    reader.close()
