"""Settings: every address, port, size and credential, read from `AUGURY_*` variables and nowhere else."""

import fcntl
import os
import random
import socket
import tempfile
import threading
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "AUGURY_"
ROOT = Path(__file__).resolve().parent.parent  # the checkout: where jars are built and kept
LOOPBACK = "127.0.0.1"
_leased: set[int] = set()  # the ports this process was given: its own locks do not keep it out
_leasing = threading.Lock()
_FILES = (
    "http_tokens_file",
    "http_tls_cert",
    "http_tls_key",
    "http_tls_client_ca",
    "redis_ca_file",
    "warehouse_ca_file",
)


class Settings(BaseSettings):
    """What a process of Augury needs to know about where it runs.

    Ports and sizes are those of the embedded stack. Addresses follow from the ports unless they are set,
    which is how the same code runs against a cluster.
    """

    # A refused value may be a credential, or stand beside one, so it is not shown.
    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", frozen=True, hide_input_in_errors=True
    )

    home: Path = Path(".augury")
    jars: Path = ROOT / ".jars"
    operator_jar: Path = ROOT / "streams" / "operator" / "target" / "augury-operator.jar"

    kafka_port: int = 19092
    kafka_controller_port: int = 19093
    registry_port: int = 18081
    registry_management_port: int = 18082
    redis_port: int = 16379
    flink_port: int = 18083
    flink_rpc_port: int = 16123
    flink_blob_port: int = 16124
    warehouse_port: int = 18123
    prefect_port: int = 14200
    http_port: int = 18000
    grpc_port: int = 0  # the HTTP door's second listener; 0 is none
    http_host: str = LOOPBACK

    # where each service but the HTTP door serves /metrics; 0 is nowhere
    sink_metrics_port: int = 0
    materialiser_metrics_port: int = 0
    worker_metrics_port: int = 0
    bridge_metrics_port: int = 0
    flows_metrics_port: int = 0
    ticker_metrics_port: int = 0
    alerts_metrics_port: int = 0
    freshness_metrics_port: int = 0
    metrics_host: str = LOOPBACK
    log_format: Literal["text", "json"] = "text"
    otlp_endpoint: str = ""  # a collector's base URL; nothing is traced without it
    trace_share: float = Field(default=1.0, ge=0, le=1)  # of the traces that begin here

    kafka_heap_mb: int = 320
    registry_heap_mb: int = 192
    jobmanager_heap_mb: int = 256
    taskmanager_heap_mb: int = 640
    taskmanager_managed_mb: int = 256  # a budget for RocksDB; the hashmap backend leaves it untouched
    warehouse_memory_mb: int = 4096
    warehouse_threads: int = 2
    backfill_memory_mb: int = Field(default=2048, ge=256)  # for all queries of one backfill together

    partitions: int = 2
    parallelism: int = 1
    task_slots: int = 16
    checkpoint_interval_ms: int = 10_000
    state_backend: Literal["hashmap", "rocksdb"] = "hashmap"
    tick_ms: int = Field(default=60_000, gt=0)  # between the clock ticks of a live source
    freshness_ms: int = Field(default=5_000, gt=0)  # between reports, and looks, of how fresh groups are

    kafka_bootstrap: str = ""
    registry_url: str = ""
    redis_url: str = Field(default="", repr=False)
    flink_url: str = ""
    warehouse_url: str = Field(default="", repr=False)
    warehouse_database: str = "augury"
    prefect_api_url: str = ""
    flows_name: str = (
        "flows"  # of this process as a worker of Prefect's; its own, and the same after a restart
    )
    flows_pool: str = "augury"  # the work pool of the flows
    flows_queues: str = ""  # of the pool, apart by spaces, from which this process takes runs; else from all
    registry_database_url: str = Field(default="", repr=False)
    artifacts_url: str = ""
    batches_url: str = ""
    checkpoints_url: str = ""

    kafka_security_protocol: Literal["", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = ""
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    kafka_username: str = ""
    kafka_password: SecretStr = SecretStr("")
    kafka_ca_file: Path | None = None  # PEM, as the next two: whom to trust in place of the system's own
    kafka_certificate_file: Path | None = None  # by which a client proves who it is
    kafka_key_file: Path | None = None  # of the certificate: PKCS #8
    kafka_key_password: SecretStr = SecretStr("")
    redis_username: str = ""
    redis_password: SecretStr = SecretStr("")
    redis_ca_file: Path | None = None
    warehouse_user: str = "default"
    warehouse_password: SecretStr = SecretStr("")
    warehouse_ca_file: Path | None = None
    http_token: SecretStr | None = None
    http_tokens_file: Path | None = None
    http_tls_cert: Path | None = None
    http_tls_key: Path | None = None
    http_tls_client_ca: Path | None = None
    prefect_auth: SecretStr = SecretStr("")  # "user:password" of Prefect's server
    http_drain_s: float = Field(default=0.0, ge=0)  # that the door answers on after SIGTERM, and is not ready
    http_limit: int = Field(default=1_024, gt=0)  # requests in the HTTP door at a time; more are told 429
    spool_max_mb: int = Field(default=4096, gt=0)  # of answers that wait for Kafka in the HTTP door's spool
    spool_shed: bool = False  # answers beyond that leave unlogged; else they are refused
    alert_urls: SecretStr = SecretStr("")  # Apprise's, apart by spaces
    alert_repeat: str = "1d"  # of the log's clock, between notices of an incident that goes on
    documents_url: str = ""  # where docs/playbooks is found by who is told
    replay: bool = False  # requests are judged by their own requested_at, and nothing ticks by the wall clock

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, given: Any) -> Any:  # noqa: ANN401
        """Fill the addresses that are not set from the ports and the home folder."""

        def value(name: str) -> Any:  # noqa: ANN401
            return given.get(name, cls.model_fields[name].default)

        home = Path(value("home")).resolve()
        # A child process may run in another folder.
        files = {name: Path(given[name]).resolve() for name in _FILES if given.get(name)}
        computed = {
            "home": home,
            "kafka_bootstrap": f"{LOOPBACK}:{value('kafka_port')}",
            "registry_url": f"http://{LOOPBACK}:{value('registry_port')}/apis/ccompat/v7",
            "redis_url": f"redis://{LOOPBACK}:{value('redis_port')}/0",
            "flink_url": f"http://{LOOPBACK}:{value('flink_port')}",
            "warehouse_url": f"http://{LOOPBACK}:{value('warehouse_port')}",
            "prefect_api_url": f"http://{LOOPBACK}:{value('prefect_port')}/api",
            "registry_database_url": f"sqlite:///{home}/registry.sqlite",
            "artifacts_url": f"file://{home}/artifacts",
            "batches_url": f"file://{home}/batches",
            "checkpoints_url": f"file://{home}/flink/checkpoints",
        }
        stated = {key: held for key, held in given.items() if key != "home" and held != ""}
        return {**computed, **stated, **files}

    @model_validator(mode="after")
    def _agree(self) -> Self:
        """Refuse what would leave a connection open that is meant to be closed."""
        if (self.http_tls_cert is None) != (self.http_tls_key is None):
            raise ValueError("a certificate comes with its key: set both http_tls_cert and http_tls_key")
        if self.http_tls_client_ca is not None and self.http_tls_cert is None:
            raise ValueError(
                "clients show certificates over TLS alone: http_tls_client_ca needs http_tls_cert"
            )
        for name, url, scheme in (
            ("redis_ca_file", self.redis_url, "rediss"),
            ("warehouse_ca_file", self.warehouse_url, "https"),
        ):
            if getattr(self, name) is not None and not url.startswith(f"{scheme}://"):
                raise ValueError(f"an authority vouches over TLS alone: {name} needs a URL of {scheme}://")
        return self

    @classmethod
    def with_free_ports(cls, home: Path, **more: Any) -> Self:  # noqa: ANN401
        """Return settings whose state is under `home` and whose ports nobody holds now; `more` overrides."""
        names = [name for name in cls.model_fields if name.endswith("_port")]
        return cls(home=home, **{**dict(zip(names, free_ports(len(names)), strict=True)), **more})

    def metrics_port(self, service: str) -> int:
        """Return where a service serves `/metrics`, 0 for nowhere; the HTTP door does at its own port."""
        return int(getattr(self, f"{service}_metrics_port", 0))

    def secrets(self) -> list[str]:
        """Return all credentials, those within URLs too, longest first: what no log may hold."""
        held = [getattr(self, name) for name in type(self).model_fields]
        found = {each.get_secret_value() for each in held if isinstance(each, SecretStr)}
        found.add(self.prefect_auth.get_secret_value().partition(":")[2])
        for url in (each for each in held if isinstance(each, str)):
            password = _password(url)
            found |= {password, unquote(password)}
        return sorted(found - {""}, key=len, reverse=True)

    def environment(self) -> dict[str, str]:
        """Return the variables from which a child process reads these same settings, credentials included."""
        plain = {
            name: held.get_secret_value() if isinstance(held, SecretStr) else str(held)
            for name in type(self).model_fields
            if (held := getattr(self, name)) is not None
        }
        return {PREFIX + name.upper(): held for name, held in plain.items()}

    def kafka_client(self) -> dict[str, str]:
        """Return the librdkafka options by which clients prove who they are; empty for the embedded log."""
        if not self.kafka_security_protocol:
            return {}
        options: dict[str, str] = {"security.protocol": self.kafka_security_protocol}
        if self.kafka_security_protocol.startswith("SASL"):
            options["sasl.mechanism"] = self.kafka_sasl_mechanism
            options["sasl.username"] = self.kafka_username
            options["sasl.password"] = self.kafka_password.get_secret_value()
        if self.kafka_security_protocol.endswith("SSL"):
            options |= {
                "ssl.ca.location": str(self.kafka_ca_file or ""),
                "ssl.certificate.location": str(self.kafka_certificate_file or ""),
                "ssl.key.location": str(self.kafka_key_file or ""),
                "ssl.key.password": self.kafka_key_password.get_secret_value(),
            }
        return {name: held for name, held in options.items() if held}

    def redis_client(self) -> dict[str, str]:
        """Return the options by which clients of Redis prove who they are, and know the server."""
        options = {"username": self.redis_username, "password": self.redis_password.get_secret_value()}
        if self.redis_ca_file is not None:
            options["ssl_ca_certs"] = str(self.redis_ca_file)
        return {name: held for name, held in options.items() if held}

    def kafka_java_client(self) -> dict[str, str]:
        """Return the same for Java clients, such as Flink's, with what the files hold.

        Raises `OSError` where a file cannot be read.
        """
        if not self.kafka_security_protocol:
            return {}
        options: dict[str, str] = {"security.protocol": self.kafka_security_protocol}
        if self.kafka_security_protocol.startswith("SASL"):
            scram = self.kafka_sasl_mechanism.startswith("SCRAM")
            module = "scram.ScramLoginModule" if scram else "plain.PlainLoginModule"
            password = self.kafka_password.get_secret_value()
            options["sasl.mechanism"] = self.kafka_sasl_mechanism
            options["sasl.jaas.config"] = (
                # the connector's own copy of the client
                f"org.apache.flink.kafka.shaded.org.apache.kafka.common.security.{module} required "
                f'username="{self.kafka_username}" password="{password}";'
            )
        if self.kafka_security_protocol.endswith("SSL"):
            if self.kafka_ca_file:
                options["ssl.truststore.type"] = "PEM"
                options["ssl.truststore.certificates"] = self.kafka_ca_file.read_text()
            if self.kafka_certificate_file and self.kafka_key_file:
                options["ssl.keystore.type"] = "PEM"
                options["ssl.keystore.certificate.chain"] = self.kafka_certificate_file.read_text()
                options["ssl.keystore.key"] = self.kafka_key_file.read_text()
                if password := self.kafka_key_password.get_secret_value():
                    options["ssl.key.password"] = password
        return options


def refusal(error: ValidationError) -> str:
    """Say which variables were refused and why, in one line; the value that broke a rule unless it is secret.

    `error` is what `Settings` raised.
    """
    told = []
    for each in error.errors():
        rule = each["msg"].removeprefix("Value error, ")
        if not each["loc"]:
            told.append(rule)
            continue
        name = str(each["loc"][0])
        field = Settings.model_fields.get(name)
        secret = field is None or not field.repr or field.annotation is SecretStr
        told.append(f"{PREFIX}{name.upper()}: {rule}" + ("" if secret else f" (found {each['input']!r})"))
    return f"settings follow their rules, so nothing was done: {'; '.join(told)}"


def _password(url: str) -> str:
    try:
        return urlsplit(url).password or ""
    except ValueError:  # no URL
        return ""


def child_environment(**more: str) -> dict[str, str]:
    """Return this process's environment with `more` laid over it, for a program that it starts."""
    inherited = {key: held for key, held in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}  # noqa: TID251
    return {**inherited, **more}


def export(name: str, value: str) -> None:
    """Set a variable of this process, unless it is set: for a library that reads nothing else."""
    os.environ.setdefault(name, value)  # noqa: TID251


def free_ports(count: int) -> list[int]:
    """Return `count` loopback ports that nobody holds and that no other caller is given while this one lives.

    A port is often taken long after it was chosen, so that a look whether it is free is not enough: it is
    leased too, by a lock on its byte of a file that all of a user's processes share, which ends with the
    process. They lie below the range from which systems number outgoing connections, so that none of those
    can take one either.
    """
    found: list[int] = []
    for port in random.SystemRandom().sample(range(20_000, 32_000), 2_000):  # no test's seed makes two equal
        if _free(port) and _lease(port):
            found.append(port)
        if len(found) == count:
            return found
    raise OSError(f"{count} free ports are needed and only {len(found)} of 2,000 tried are free")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _lease(port: int) -> bool:
    try:
        fcntl.lockf(_leases(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except (BlockingIOError, PermissionError):  # another process has it
        return False
    with _leasing:
        first = port not in _leased
        _leased.add(port)
    return first


@cache
def _leases() -> int:
    """Return the file of leases, open until the process ends: closing it would end its leases."""
    return os.open(
        Path(tempfile.gettempdir()) / f"augury-ports-{os.getuid()}", os.O_WRONLY | os.O_CREAT, 0o600
    )
