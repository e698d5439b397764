"""Kafka, registry, Redis and Flink of their own for a benchmark: what they are asked, and what they tell."""

import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import psutil
from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, Producer, TopicPartition
from pyflink.java_gateway import get_gateway

from augury.apply import cluster, log_addresses, pyflink_java
from augury.clients import codec
from augury.settings import Settings
from augury.stack import Stack
from augury.stack.flink import JOB_MANAGER, TASK_MANAGER
from benchmarks.common import CACHE
from benchmarks.payments import END, PARTITIONS, Payments
from features.inputs import SourcePlan
from schemas.codec import Codec
from schemas.log import Topic, consumer, create_topics, producer
from streams.job import Cluster, Job, jobs, running, stop_with_savepoint

_PARTS = ("kafka", "registry", "redis", JOB_MANAGER, TASK_MANAGER)
_FOREVER = {"retention.ms": "-1"}
LOGGED = _FOREVER | {"message.timestamp.type": "LogAppendTime"}
STAMPED = _FOREVER | {"message.timestamp.type": "CreateTime"}
_BATCH, _TIMEOUT_S = 10_000, 60.0


class StalledError(RuntimeError):
    """A job ended, or did not write what it should in time."""


@dataclass
class Servers:
    """The running servers."""

    settings: Settings
    codec: Codec
    task_manager: psutil.Process

    @property
    def addresses(self) -> Any:  # noqa: ANN401
        """Where a job finds log and registry."""
        return log_addresses(self.settings)

    def flink(self, backend: str, parallelism: int) -> Cluster:
        """Give the cluster for jobs of a state backend and a parallelism."""
        return replace(cluster(self.settings), state_backend=backend, parallelism=parallelism)

    def topic(self, name: str, config: Mapping[str, str] = LOGGED, partitions: int = PARTITIONS) -> None:
        """Make a topic."""
        create_topics(self.settings.kafka_bootstrap, [Topic(name, partitions, config)])

    def sender(self, **more: str | float) -> Producer:
        """Give a producer that calls back for failures only."""
        options = {"delivery.report.only.error": True, "queue.buffering.max.messages": 500_000}
        options["log_level"] = 3  # the first one waits for its coordinator, and says so
        return producer(self.settings.kafka_bootstrap, **options | more)

    def publish(self, source: SourcePlan, payments: Payments) -> None:
        """Write the payments with their times, then a clock tick at `END` to every partition."""
        self.topic(source.topic, STAMPED)
        encode = self.codec.encoder(source.topic, source.avro)
        sender = self.sender(**{"linger.ms": 50, "batch.size": 1_000_000})
        times = payments.times.tolist()
        for partition, record in payments.records(range(len(payments))):
            self._send(sender, source.topic, partition, encode(record), times[record["id"]])
        for partition in range(PARTITIONS):
            self._send(sender, source.topic, partition, None, END)
        if sender.flush(_TIMEOUT_S):
            raise StalledError(f"the log takes all payments; {len(sender)} have no answer")
        sender.close()

    def _send(self, sender: Producer, topic: str, partition: int, value: bytes | None, at: int) -> None:
        while True:
            try:
                sender.produce(topic, value, partition=partition, timestamp=at)
            except BufferError:
                sender.poll(0.1)
            else:
                return

    def count(self, topic: str) -> int:
        """Count the records that a topic holds."""
        with self._reader() as reader:
            return sum(self._ends(reader, topic).values())

    def await_rows(self, topic: str, expected: int, job: str, patience_s: float) -> int:
        """Wait until a topic holds so many records, and give how many. Raises `StalledError` if too late."""
        deadline = time.monotonic() + patience_s
        with self._reader() as reader:
            while (found := sum(self._ends(reader, topic).values())) < expected:
                if time.monotonic() > deadline or running(self.settings.flink_url, job) is None:
                    raise StalledError(
                        f"{job} writes {expected} rows in {patience_s:.0f} s; it wrote {found}"
                    )
                time.sleep(0.1)
        return found

    def cpu_s(self) -> float:
        """Give the processor time that the task manager has taken so far."""
        return float(sum(self.task_manager.cpu_times()[:2]))

    def read(self, topic: str, take: Callable[[Message], object]) -> None:
        """Give all records of a topic to `take`, partition by partition."""
        with self._reader() as reader:
            for partition, end in self._ends(reader, topic).items():
                reader.assign([TopicPartition(topic, partition, OFFSET_BEGINNING)])
                left = end
                while left:
                    messages = reader.consume(min(left, _BATCH), _TIMEOUT_S)
                    if not messages:
                        raise StalledError(f"{topic} holds {left} more records in partition {partition}")
                    for message in messages:
                        if message.error() is None:
                            left -= 1
                            take(message)

    def stop(self, label: str) -> int:
        """Stop a job behind a savepoint, and give the savepoint's bytes; all that it wrote is in the log."""
        job = running(self.settings.flink_url, label)
        if job is None:
            raise StalledError(f"{label} runs until it is stopped; it does not")
        folder = self.settings.home / "savepoints" / job.id
        stop_with_savepoint(self.settings.flink_url, job, folder.as_uri())
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        shutil.rmtree(folder)
        self._await_end(job)
        return size

    def _await_end(self, job: Job) -> None:
        deadline = time.monotonic() + _TIMEOUT_S
        while any(other.running for other in jobs(self.settings.flink_url) if other.id == job.id):
            if time.monotonic() > deadline:
                raise StalledError(f"{job.name} ends behind its savepoint; it runs on")
            time.sleep(0.1)

    def rest(self, path: str) -> Any:  # noqa: ANN401
        """Ask Flink's REST interface."""
        return httpx.get(f"{self.settings.flink_url}{path}", timeout=60).raise_for_status().json()

    @contextlib.contextmanager
    def _reader(self) -> Iterator[Consumer]:
        reader = consumer(self.settings.kafka_bootstrap, "benchmark", **{"fetch.max.bytes": 20_000_000})
        try:
            yield reader
        finally:
            reader.close()

    def _ends(self, reader: Consumer, topic: str) -> dict[int, int]:
        there = reader.list_topics(topic, timeout=_TIMEOUT_S).topics[topic].partitions
        places = (TopicPartition(topic, partition) for partition in there)
        return {p.partition: reader.get_watermark_offsets(p, timeout=_TIMEOUT_S)[1] for p in places}


@contextlib.contextmanager
def servers(heap_mb: int, managed_mb: int) -> Iterator[Servers]:
    """Run the servers with a task manager of such memory; their folder goes with them."""
    CACHE.mkdir(exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="stream-", dir=CACHE))
    settings = Settings.with_free_ports(
        home, replay=True, taskmanager_heap_mb=heap_mb, taskmanager_managed_mb=managed_mb
    )
    pyflink_java()
    try:
        with Stack(settings, parts=_PARTS) as stack:
            pids = {part.name: part.pid for part in stack.status()}
            running_servers = Servers(settings, codec(settings), psutil.Process(pids[TASK_MANAGER]))
            for topic in ("dead_letters", "features.clocks"):
                running_servers.topic(topic, partitions=1)
            yield running_servers
            get_gateway().shutdown()
    finally:
        shutil.rmtree(home, ignore_errors=True)
