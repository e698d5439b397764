"""The doors as processes of their own, which the tests can kill."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from augury.settings import Settings
from inference.serving import Addresses
from schemas.codec import Codec
from schemas.log import Topic, consumer, create_topics
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
addresses, group, batches = Addresses(**json.loads(sys.argv[1])), sys.argv[2], sys.argv[3]
run_worker(addresses, stop, batches=batches, clock=wall_ms, group=group)
"""


def prepare(settings: Settings, folder: Path) -> Addresses:
    shared = dict.fromkeys(("prediction.requests", "prediction.batches"), settings.partitions)
    create_topics(settings.kafka_bootstrap, [Topic(name, shared.get(name, 1)) for name in TOPICS])
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


class Records:
    """Records of a topic from its beginning, as they are committed."""

    def __init__(self, consumer: Consumer, codec: Codec, partitions: int) -> None:
        self._consumer = consumer
        self._codec = codec
        self._partitions = partitions

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self

    def __next__(self) -> dict[str, Any]:
        while (message := self._consumer.poll(60)) is not None:
            error = message.error()
            if error is None:
                return self._codec.decode(message.value() or b"")
            assert error.code() == KafkaError._PARTITION_EOF or error.retriable(), error
        raise AssertionError("nothing more came to the topic within 60 s")

    def there(self) -> list[dict[str, Any]]:
        """Give what has come already."""
        messages = self._consumer.consume(10_000, 0.01)
        return [self._codec.decode(m.value() or b"") for m in messages if m.error() is None]

    def rest(self) -> list[dict[str, Any]]:
        """Give all up to the end of the log."""
        return [record for _, record in self.keyed()]

    def keyed(self) -> list[tuple[bytes | str | None, dict[str, Any]]]:
        """Give all up to the end of the log, with their keys."""
        found, ended = [], set()
        while len(ended) < self._partitions:
            message = self._consumer.poll(60)
            assert message is not None
            error = message.error()
            if error is None:
                found.append((message.key(), self._codec.decode(message.value() or b"")))
            elif error.code() == KafkaError._PARTITION_EOF:
                ended.add(message.partition())
        return found


class Log:
    """What a topic holds, decoded."""

    def __init__(self, addresses: Addresses) -> None:
        self.addresses = addresses
        self.codec = Codec(SchemaRegistry(addresses.schema_registry))

    @contextmanager
    def reading(self, topic: str) -> Iterator[Records]:
        options = {"enable.partition.eof": True, "log_level": 0}
        reader = consumer(self.addresses.kafka, "nobody", **options)
        try:
            partitions = reader.list_topics(topic, 20).topics[topic].partitions
            reader.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
            yield Records(reader, self.codec, len(partitions))
        finally:
            reader.close()

    def all(self, topic: str) -> list[dict[str, Any]]:
        """Read what is committed now."""
        with self.reading(topic) as records:
            return records.rest()

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
