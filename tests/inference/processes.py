"""The doors as processes of their own, which the tests can kill."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from augury.settings import Settings
from inference.serving import Addresses
from schemas.codec import Codec
from schemas.log import Topic, create_topics
from schemas.records import TOPICS
from schemas.registry import SchemaRegistry

HTTP = """
import json, sys
from pathlib import Path
from augury.clock import wall_ms
from inference.access import Access
from inference.serving import Addresses, serve_http
addresses, port, spool = Addresses(**json.loads(sys.argv[1])), int(sys.argv[2]), Path(sys.argv[3])
token = next(iter(sys.argv[4:]), None)
serve_http(addresses, host="127.0.0.1", port=port, spool=spool, clock=wall_ms, access=Access(wall_ms, token))
"""
WORKER = """
import json, signal, sys, threading
from augury.clock import wall_ms
from inference.serving import Addresses, run_worker
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
run_worker(Addresses(**json.loads(sys.argv[1])), stop, clock=wall_ms, group=sys.argv[2])
"""


def prepare(settings: Settings, folder: Path) -> Addresses:
    requests = {"prediction.requests": settings.partitions}
    create_topics(settings.kafka_bootstrap, [Topic(name, requests.get(name, 1)) for name in TOPICS])
    return Addresses(
        settings.kafka_bootstrap,
        settings.registry_url,
        settings.redis_url,
        f"sqlite:///{folder}/registry.db",
        str(folder / "artifacts"),
    )


@contextmanager
def running(script: str, addresses: Addresses, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", script, json.dumps(asdict(addresses)), *arguments]
    process = subprocess.Popen(command)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


class Log:
    """What a topic holds from its beginning, decoded."""

    def __init__(self, addresses: Addresses) -> None:
        self.addresses = addresses
        self.codec = Codec(SchemaRegistry(addresses.schema_registry))

    @contextmanager
    def reading(self, topic: str) -> Iterator[Iterator[dict[str, Any]]]:
        from_start = {"bootstrap.servers": self.addresses.kafka, "auto.offset.reset": "earliest"}
        consumer = Consumer({**from_start, "group.id": "nobody", "enable.auto.commit": False})
        try:
            partitions = consumer.list_topics(topic, 20).topics[topic].partitions
            consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
            yield self._records(consumer)
        finally:
            consumer.close()

    def _records(self, consumer: Consumer) -> Iterator[dict[str, Any]]:
        while (message := consumer.poll(30)) is not None:
            assert message.error() is None
            yield self.codec.decode(message.value() or b"")
        raise AssertionError("nothing more came to the topic within 30 s")

    def collect(self, topic: str, ids: set[str]) -> dict[str, list[dict[str, Any]]]:
        """Read until there is a result for each of `ids`."""
        found: dict[str, list[dict[str, Any]]] = {}
        with self.reading(topic) as records:
            for record in records:
                if record["request_id"] in ids:
                    found.setdefault(record["request_id"], []).append(record)
                if len(found) == len(ids):
                    break
        return found
