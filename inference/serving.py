"""The processes: the HTTP door and the Kafka worker, from addresses."""

import gc
import ipaddress
import signal
import socket
import ssl
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import grpc
import uvicorn
from prometheus_client import CollectorRegistry
from redis import Redis

from inference.access import Access
from inference.artifacts import ArtifactStore
from inference.batches import Batches
from inference.connections import BoundedConnection, bound_unread
from inference.delivery import Delivery
from inference.door import Door
from inference.draining import Drain, DrainingServer
from inference.encoding import ResultEncoder
from inference.files import BatchFiles
from inference.follower import follow_registry
from inference.http import LIMIT, create_app
from inference.letters import Letters
from inference.log import AnswerLog
from inference.metrics import Metrics
from inference.models import Models
from inference.predictor import Predictor
from inference.registry import Registry
from inference.replies import Replies
from inference.rpc import Place, RpcDoor
from inference.scoring import Scoring
from inference.shipper import Shipper
from inference.spool import DEFAULT_BYTES, Spool
from inference.store import OnlineStore
from inference.transactions import Transactions
from inference.worker import Worker
from schemas.codec import Codec
from schemas.log import consumer, producer
from schemas.metrics import LogLag
from schemas.registry import SchemaRegistry
from schemas.tracing import Tracing

_REDIS_SECONDS = 0.5
_LAST_SECONDS = 12  # for the requests that run at SIGTERM: a body has 10
# An answer is of its moment and for its caller, and what a text says is no page.
_HEADERS = [("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")]
WORKER_GROUP = "augury.worker"
_READING: dict[str, Any] = {
    "partition.assignment.strategy": "range",  # rebalances in half a second
    "session.timeout.ms": 6_000,
    "heartbeat.interval.ms": 500,
    "fetch.wait.max.ms": 10,
    "reconnect.backoff.max.ms": 1_000,
}
_WRITING: dict[str, Any] = {
    "transaction.timeout.ms": 6_000,  # what a dead worker has begun is gone when its partitions move
    "retry.backoff.ms": 10,  # a transaction begins when the one before is wound up, which takes milliseconds
    "delivery.report.only.error": True,
    "reconnect.backoff.max.ms": 1_000,
}


class OpenDoorError(ValueError):
    """The HTTP door would be open to the network without a token."""


@dataclass(frozen=True)
class Addresses:
    """Where the parts are: Kafka's bootstrap servers and URLs; options of clients of Kafka and Redis."""

    kafka: str
    schema_registry: str
    redis: str = field(repr=False)
    registry: str = field(repr=False)
    artifacts: str
    kafka_options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    redis_options: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Tls:
    """Files in PEM: the door's certificate chain, its key, and the authority of its clients' certificates.

    With a `client_ca`, who shows no certificate of it is not let in.
    """

    cert: Path
    key: Path
    client_ca: Path | None = None

    def options(self) -> dict[str, Any]:
        """Give uvicorn's options."""
        options: dict[str, Any] = {"ssl_certfile": self.cert, "ssl_keyfile": self.key}
        if self.client_ca is not None:
            options |= {"ssl_ca_certs": str(self.client_ca), "ssl_cert_reqs": ssl.CERT_REQUIRED}
        return options

    def credentials(self) -> grpc.ServerCredentials:
        """Give gRPC's credentials; raises `OSError` where a file cannot be read."""
        authority = None if self.client_ca is None else self.client_ca.read_bytes()
        pair = (self.key.read_bytes(), self.cert.read_bytes())
        return grpc.ssl_server_credentials([pair], authority, authority is not None)


def serve_http(
    addresses: Addresses,
    *,
    host: str,
    port: int,
    grpc_port: int = 0,
    limit: int = LIMIT,
    drain_s: float = 0.0,
    spool: Path,
    spool_bytes: int = DEFAULT_BYTES,
    spool_shed: bool = False,
    clock: Callable[[], int],
    replay: bool = False,
    access: Access,
    tls: Tls | None = None,
    ready: Callable[[], None] = lambda: None,
    metrics: CollectorRegistry | None = None,
    tracing: Tracing | None = None,
) -> None:
    """Serve the HTTP door until SIGTERM or SIGINT, then finish the running requests; for the main thread.

    `spool` is a folder of this process's own. Where answers of `spool_bytes` wait there for Kafka, further
    ones are refused; with `spool_shed` they leave, and are in no log. `clock` gives ms since the epoch; with
    `replay` requests are judged by their own `requested_at`; with `tls` the door speaks HTTPS; at
    `grpc_port`, if it is not 0, the Open Inference Protocol is spoken over gRPC. Each of the two holds at
    most `limit` requests at a time. After SIGTERM the door answers on for `drain_s` seconds, and says that it
    is not ready. `ready` is called when connections are taken. Raises `SpoolError` where
    another process holds the folder, `OSError` where the port is taken or a file of `tls` cannot be read,
    `SystemExit` where gRPC's port is taken, `OpenDoorError` where others than this host could come in
    without a token.
    """
    if access.open and not _is_loopback(host):
        raise OpenDoorError(
            "a door without a token listens on the loopback interface only, or anybody on the network could "
            f"ask it; set a token, or the host to 127.0.0.1 (the host is {host!r})"
        )
    with _serving(addresses, clock) as (models, codec, rows), Spool(spool, most_bytes=spool_bytes) as spooled:
        connect = partial(producer, addresses.kafka, **addresses.kafka_options)
        shipper = Shipper(spooled, Delivery(connect, Letters(codec, clock).unsent), tracing)
        counted = Metrics(metrics or CollectorRegistry())
        counted.watch_models(models)
        counted.watch_spool(spooled.depth)
        predictor = Predictor(models, rows, clock, replay)
        log = AnswerLog(spooled, ResultEncoder(codec), counted.unlogged if spool_shed else None)
        drain = Drain(drain_s)

        def ping() -> None:
            drain.check()
            rows.ping()

        beside = None
        if grpc_port:
            place = Place(host, grpc_port, None if tls is None else tls.credentials())
            rpc = Door(models, predictor, log, clock, limit, counted, tracing, "grpc")
            beside = RpcDoor(place, rpc, models, ping, access, clock, version("augury"))
        app = create_app(
            models,
            predictor,
            log,
            ping,
            clock,
            access,
            limit,
            metrics=counted,
            tracing=tracing,
            beside=beside,
        )
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            http=BoundedConnection,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=_LAST_SECONDS,
            server_header=False,
            headers=_HEADERS,
            **({} if tls is None else tls.options()),
        )
        config.load()  # a certificate that cannot be read is told before anybody connects
        shipper.start()
        _spare_collector()
        try:
            with socket.create_server((host, port), backlog=1_024) as listening:
                bound_unread(listening)
                ready()
                signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn raises it again when it is done
                DrainingServer(config, drain).run([listening])
        finally:
            shipper.stop()


def run_worker(
    addresses: Addresses,
    stop: threading.Event,
    *,
    batches: str,
    clock: Callable[[], int],
    replay: bool = False,
    group: str = WORKER_GROUP,
    ready: Callable[[], None] = lambda: None,
    metrics: CollectorRegistry | None = None,
    tracing: Tracing | None = None,
) -> None:
    """Answer the requests on Kafka until `stop`; workers of one `group` share them.

    `batches` is the URL below which files of batches lie. `ready` is called at each assignment of
    partitions, when they are about to be read.
    """
    options = addresses.kafka_options
    identity = {"transactional.id": f"{group}.{uuid.uuid4().hex}"}
    with _serving(addresses, clock) as (models, codec, rows):
        lag, counted = LogLag(), Metrics(metrics or CollectorRegistry())
        counted.watch_models(models)
        counted.watch_lag(lag)
        reader = consumer(addresses.kafka, group, **_READING, **lag.options, **options)
        letters = Letters(codec, clock)
        predictor = Predictor(models, rows, clock, replay)
        scoring = Scoring(predictor, ResultEncoder(codec), stop, counted)
        transactions = Transactions(
            partial(producer, addresses.kafka, **_WRITING, **identity, **options), stop
        )
        _spare_collector()
        Worker(
            reader,
            codec,
            scoring,
            Batches(codec, BatchFiles(batches), scoring, letters, clock),
            Replies(transactions, letters),
            letters,
            stop,
            group,
            tracing,
        ).run(ready)


def _spare_collector() -> None:
    """Let the cyclic collector look less often, and never through what is loaded.

    Answers refer to nothing that refers to them, so that it finds next to nothing; and the 10,000 that a door
    keeps would be looked through again and again, while requests wait.
    """
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


@contextmanager
def _serving(addresses: Addresses, clock: Callable[[], int]) -> Iterator[tuple[Models, Codec, OnlineStore]]:
    """Give the loaded models, which follow the registry meanwhile, and clients."""
    registry = Registry(addresses.registry, clock)
    codec = Codec(SchemaRegistry(addresses.schema_registry))
    models = Models(registry, ArtifactStore(addresses.artifacts))
    models.refresh()
    group = f"augury.models.{uuid.uuid4().hex}"  # a process of its own hears every event
    events = consumer(addresses.kafka, group, **{"auto.offset.reset": "latest", **addresses.kafka_options})
    stop = threading.Event()
    follower = threading.Thread(
        target=follow_registry, args=(models, events, codec, stop), name="registry-follower", daemon=True
    )
    follower.start()
    rows = OnlineStore(
        Redis.from_url(
            addresses.redis,
            socket_timeout=_REDIS_SECONDS,
            socket_connect_timeout=_REDIS_SECONDS,
            **addresses.redis_options,
        )
    )
    try:
        yield models, codec, rows
    finally:
        stop.set()
        follower.join()
        rows.close()
        registry.close()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
