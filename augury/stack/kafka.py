"""Kafka: one node that is broker and controller, formatted once under a cluster id that is kept."""

import base64
import socket
import subprocess
import uuid

import psutil
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from augury.settings import LOOPBACK, Settings
from augury.stack.java import java
from augury.stack.part import Part, PartError

NAME = "kafka"


def kafka(settings: Settings) -> Part:
    """Return the log: topics are made by name only, and one replica is all there is."""
    folder = settings.home / "kafka"
    config = folder / "server.properties"
    jvm = (java(), "-XX:+UseSerialGC", "-Dlog4j2.level=WARN", "-cp", f"{settings.jars}/kafka/*")

    def prepare() -> None:
        folder.mkdir(parents=True, exist_ok=True)
        config.write_text("".join(f"{key}={held}\n" for key, held in _properties(settings).items()))
        cluster = folder / "cluster.id"
        if not cluster.exists():
            cluster.write_text(base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("="))
        if (folder / "log" / "meta.properties").exists():
            return
        tool = ("kafka.tools.StorageTool", "format", f"--cluster-id={cluster.read_text()}", "-c", str(config))
        done = subprocess.run([*jvm, *tool], capture_output=True, text=True, check=False)
        if done.returncode:
            raise PartError(f"kafka's folder {folder} could not be formatted:\n{done.stdout}{done.stderr}")

    def ready(_process: psutil.Process) -> bool:
        with socket.create_connection((LOOPBACK, settings.kafka_port), timeout=1):
            pass
        client = AdminClient({"bootstrap.servers": f"{LOOPBACK}:{settings.kafka_port}", "log_level": 0})
        try:
            return bool(client.list_topics(timeout=5).brokers)
        except KafkaException:
            return False

    return Part(
        name=NAME,
        command=(*jvm[:1], f"-Xmx{settings.kafka_heap_mb}m", *jvm[1:], "kafka.Kafka", str(config)),
        ready=ready,
        address=f"{LOOPBACK}:{settings.kafka_port}",
        ports={"kafka_port": settings.kafka_port, "kafka_controller_port": settings.kafka_controller_port},
        prepare=prepare,
    )


def _properties(settings: Settings) -> dict[str, object]:
    broker = f"{LOOPBACK}:{settings.kafka_port}"
    controller = f"{LOOPBACK}:{settings.kafka_controller_port}"
    internal = {
        f"{topic}.{key}": 1
        for topic in ("transaction.state.log", "share.coordinator.state.topic")
        for key in ("replication.factor", "min.isr")
    }
    return {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{controller}",
        "listeners": f"PLAINTEXT://{broker},CONTROLLER://{controller}",
        "advertised.listeners": f"PLAINTEXT://{broker}",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": settings.home / "kafka" / "log",
        "num.partitions": settings.partitions,
        "auto.create.topics.enable": "false",
        "default.replication.factor": 1,
        "offsets.topic.replication.factor": 1,
        **internal,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.num.partitions": 4,
        "offsets.retention.minutes": 525_600,
        "transaction.max.timeout.ms": 3_600_000,  # Flink's exactly-once sinks ask for an hour
        "group.initial.rebalance.delay.ms": 0,
        "log.cleaner.dedupe.buffer.size": 16_777_216,  # of 128 MB by default, held from the start
        "num.io.threads": 4,
        "num.network.threads": 2,
    }
