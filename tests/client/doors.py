"""Both doors in processes of their own, before the models that the documents and the tests ask."""

from augury_client.kafka import KafkaClient
from features.layout import Layout, row_key
from features.project import load_project
from features.types import DataType
from tests.inference.onnx_models import regressor
from tests.inference.served import Served

TOKEN = "s3cret"
LATE = [1.0] * 6  # a vector of the model `late`, which sums it
ENTITIES = ("UA", "EWR", "UA|EWR", "EWR|IAH", "EWR|SFO", "N14228")


def serve_flights(served: Served) -> list[str]:
    """Let `late_arrival` sum its vector too; all stored values of the documents' entities are 1.

    Gives the keys that it wrote to the online store, which other tests share.
    """
    keys = []
    project = load_project("examples.flights")
    plan = project.model_plans["late_arrival"]
    ones = {DataType.TEXT: "1", DataType.DOUBLE: 1.0, DataType.BOOLEAN: True}
    for group in project.group_plans.values():
        row = {f.name: ones.get(f.type, 1) for f in group.features} | {"event_timestamp": 1, "seq": 1}
        for entity in ENTITIES:
            keys.append(row_key(group.name, group.version, entity))
            served.redis.set(keys[-1], Layout.of(group).pack(row))
    served.world.register(regressor(len(plan.names)), plan=plan)
    served.world.registry.promote("late_arrival", 1, by="test", why="test")
    return keys


def kafka_client(served: Served, timeout: float = 60, **options: object) -> KafkaClient:
    """Connect to the Kafka door; `timeout` in seconds, `options` librdkafka's."""
    return KafkaClient(
        served.addresses.kafka, served.addresses.schema_registry, timeout=timeout, options=options
    )
