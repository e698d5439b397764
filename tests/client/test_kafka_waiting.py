"""The client of the Kafka door where nobody answers."""

import asyncio

import pytest

from augury_client import AuguryError, Request, UnreachableError
from augury_client.kafka import AsyncKafkaClient, DeliveryError, KafkaClient, ResultTimeoutError
from tests.inference.served import Served

from .doors import LATE, kafka_client

pytestmark = pytest.mark.stack
QUIET = {"log_level": 0}  # librdkafka tells stderr of each address that it cannot reach


def test_the_answer_is_late_and_the_request_stands(served: Served) -> None:
    with kafka_client(served, timeout=3) as augury:
        with pytest.raises(ResultTimeoutError) as caught:
            augury.predict("late", vector=LATE, request_id="late-1")
        assert caught.value.request_id == "late-1"
        assert augury._pending == {}

    async def ask() -> None:
        connecting = AsyncKafkaClient(served.addresses.kafka, served.addresses.schema_registry, timeout=3)
        async with connecting as patient:
            with pytest.raises(ResultTimeoutError) as late:
                await patient.predict("late", vector=LATE, request_id="late-2")
            assert late.value.request_id == "late-2"

    asyncio.run(ask())
    assert set(served.log.collect("prediction.requests", {"late-1", "late-2"})) == {"late-1", "late-2"}


def test_an_id_that_waits_is_not_sent_again(served: Served) -> None:
    with kafka_client(served) as augury:
        augury.submit(Request("late", vector=LATE, request_id="twice"))
        with pytest.raises(ValueError, match="'twice' waits for one already"):
            augury.submit(Request("late", vector=LATE, request_id="twice"))


def test_closing_tells_who_waits(served: Served) -> None:
    with kafka_client(served) as augury:
        future = augury.submit(Request("late", vector=LATE))
    with pytest.raises(AuguryError, match="the client was closed"):
        future.result(0)
    with pytest.raises(AuguryError, match="sends nothing"):
        augury.submit(Request("late", vector=LATE))


def test_what_kafka_does_not_take_is_an_error(served: Served) -> None:
    with kafka_client(served, **{"message.max.bytes": 2_000_000, "compression.type": "none"}) as augury:
        future = augury.submit(Request("late", inputs={"x": "A" * 1_500_000}, request_id="large"))
        with pytest.raises(DeliveryError) as caught:
            future.result(60)
    assert caught.value.request_id == "large"


def test_values_that_the_schema_forbids_are_refused(served: Served) -> None:
    with kafka_client(served) as augury:
        for request in (
            Request("late", inputs={"x": [1]}),  # type: ignore[dict-item]
            Request("late", vector=["1"]),  # type: ignore[list-item]
        ):
            with pytest.raises((ValueError, TypeError)):
                augury.submit(request)
        assert augury._pending == {}


def test_who_cannot_be_reached_is_told(served: Served) -> None:
    nowhere = "127.0.0.1:1"
    with pytest.raises(UnreachableError):
        KafkaClient(nowhere, served.addresses.schema_registry, timeout=2, options=QUIET)
    with pytest.raises(UnreachableError):
        KafkaClient(served.addresses.kafka, f"http://{nowhere}", timeout=2)
