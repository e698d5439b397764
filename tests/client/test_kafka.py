"""The client against the real Kafka door."""

import asyncio

import pytest

from augury_client import PredictionError, Request
from augury_client.kafka import AsyncKafkaClient
from tests.inference.served import Served

from .doors import LATE, kafka_client

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures("worker")]


def test_predictions(served: Served) -> None:
    with kafka_client(served) as augury:
        answer = augury.predict("late", vector=LATE, request_id="by-kafka")
        assert (answer.prediction, answer.request_id, answer.variant) == (6.0, "by-kafka", "champion")
        requests = [Request("late", vector=[float(n)] * 6) for n in range(1_200)]
        answers = augury.predict_many(requests)
        assert [one.prediction for one in answers] == [6.0 * n for n in range(1_200)]
        assert [one.request_id for one in answers] == [request.request_id for request in requests]


def test_a_request_with_entities_and_inputs(served: Served) -> None:
    served.world.put("carrier_delay", "AA", 7, arr_delay_mean_1h=2.5, count_1d=3, diverted_last=False)
    served.world.put("route_delay", "JFK|LAX", 1, arr_delay_mean_7d=-4.25)
    keys = {"carrier": "AA", "route": "JFK|LAX"}
    with kafka_client(served) as augury:
        answer = augury.predict(
            "late", entity_keys=keys, inputs={"scheduled_at": 3_600_000 * 5, "distance": 1200.0}
        )
    assert answer.prediction == pytest.approx(7.25)
    assert [(row.group, row.entity, row.seq) for row in answer.groups] == [
        ("carrier_delay", "AA", 7),
        ("route_delay", "JFK|LAX", 1),
    ]
    assert answer.feature_values_used["hour"] == 5.0
    assert answer.latency_ms.total > 0


def test_who_answers_can_be_named(served: Served) -> None:
    with kafka_client(served) as augury:
        named = augury.predict("late", vector=LATE, variant="champion")
        assert (named.variant, named.model_version_used) == ("pinned", 1)
        with pytest.raises(PredictionError, match="late has no challenger that is loaded"):
            augury.predict("late", vector=LATE, variant="challenger")


def test_an_error_of_one_is_an_exception_and_of_many_a_field(served: Served) -> None:
    with kafka_client(served) as augury:
        with pytest.raises(PredictionError, match="nothing can answer for 'early'") as caught:
            augury.predict("early", request_id="unanswered")
        assert caught.value.request_id == "unanswered"
        first, second = augury.predict_many([Request("early"), Request("late", vector=LATE)])
        assert "nothing can answer" in str(first.error)
        assert second.prediction == 6.0


def test_the_same_for_asyncio(served: Served) -> None:
    async def ask() -> None:
        connecting = AsyncKafkaClient(served.addresses.kafka, served.addresses.schema_registry, timeout=60)
        async with connecting as augury:
            answers = await asyncio.gather(*(augury.predict("late", vector=[n] * 6) for n in range(50)))
            assert [answer.prediction for answer in answers] == [6.0 * n for n in range(50)]
            with pytest.raises(PredictionError):
                await augury.predict("early")
            (one,) = await augury.predict_many([Request("early")])
            assert one.error

    asyncio.run(ask())
