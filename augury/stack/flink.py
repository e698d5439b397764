"""Flink's standalone cluster out of the apache-flink wheel: one job manager, one task manager.

Both are run as plain Java processes with explicit sizes: the distribution's scripts would start a Java of
their own first, to work the sizes out.
"""

import importlib.util
from pathlib import Path

import psutil

from augury.settings import LOOPBACK, Settings
from augury.stack.java import java
from augury.stack.part import Part, PartError
from augury.stack.probes import get_json

JOB_MANAGER = "flink-jobmanager"
TASK_MANAGER = "flink-taskmanager"
_FRAMEWORK_HEAP_MB = 128
_NETWORK_MB = 96
_OFF_HEAP_MB = 256  # direct memory of Netty and of what connectors take
_METASPACE_MB = 512  # each job loads the connector's classes anew
_MASTER = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
_WORKER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
_OPENS = (
    "--add-exports=java.security.jgss/sun.security.krb5=ALL-UNNAMED",
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
    *(
        f"--add-opens=java.base/java.{package}=ALL-UNNAMED"
        for package in ("lang", "lang.reflect", "net", "io", "nio", "text", "time", "util", "util.concurrent")
    ),
    "--add-opens=java.base/java.util.concurrent.atomic=ALL-UNNAMED",
    "--add-opens=java.base/java.util.concurrent.locks=ALL-UNNAMED",
)
_LOGGING = """\
rootLogger.level = INFO
rootLogger.appenderRef.console.ref = Console
appender.console.name = Console
appender.console.type = CONSOLE
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{yyyy-MM-dd HH:mm:ss,SSS} %-5p %c{1} - %m%n%xEx
logger.kafka.name = org.apache.kafka
logger.kafka.level = WARN
logger.pekko.name = org.apache.pekko
logger.pekko.level = WARN
logger.checkpoints.name = org.apache.flink.runtime.checkpoint
logger.checkpoints.level = WARN
"""


def job_manager(settings: Settings) -> Part:
    """Return the job manager, with the web interface at its address."""

    def ready(_process: psutil.Process) -> bool:
        return "slots-total" in get_json(settings.flink_port, "/overview")

    heap = f"-Xmx{settings.jobmanager_heap_mb}m"
    return Part(
        name=JOB_MANAGER,
        command=_java(settings, JOB_MANAGER, _MASTER, heap, "-XX:+UseSerialGC"),
        ready=ready,
        address=f"http://{LOOPBACK}:{settings.flink_port}",
        ports={
            "flink_port": settings.flink_port,
            "flink_rpc_port": settings.flink_rpc_port,
            "flink_blob_port": settings.flink_blob_port,
        },
        env=_environment(settings),
        prepare=lambda: _write_config(settings),
    )


def task_manager(settings: Settings) -> Part:
    """Return the task manager; it is ready when the job manager has its slots."""

    def ready(process: psutil.Process) -> bool:
        # One that was killed stays registered for a while, under the same id: only a heartbeat since this
        # process's start is this process's.
        listed = get_json(settings.flink_port, "/taskmanagers")["taskmanagers"]
        started = process.create_time() * 1000
        return any(each["timeSinceLastHeartbeat"] > started and each["slotsNumber"] for each in listed)

    return Part(
        name=TASK_MANAGER,
        command=_java(
            settings,
            TASK_MANAGER,
            _WORKER,
            f"-Xmx{settings.taskmanager_heap_mb + _FRAMEWORK_HEAP_MB}m",
            "-XX:+UseParallelGC",
            f"-XX:MaxDirectMemorySize={_OFF_HEAP_MB + _NETWORK_MB}m",
            f"-XX:MaxMetaspaceSize={_METASPACE_MB}m",
        ),
        ready=ready,
        address=f"{settings.task_slots} slots at flink-jobmanager",
        ports={},
        env=_environment(settings),
        after=(JOB_MANAGER,),
    )


def _java(settings: Settings, name: str, entry: str, *options: str) -> tuple[str, ...]:
    conf = _conf(settings)
    return (
        java(),
        *options,
        *_OPENS,
        f"-Dlog.file={settings.home}/logs/{name}.log",  # the web interface shows it
        f"-Dlog4j.configurationFile=file:{conf}/log4j.properties",
        "-cp",
        f"{_distribution()}/lib/*",
        entry,
        "--configDir",
        str(conf),
    )


def _environment(settings: Settings) -> dict[str, str]:
    return {"FLINK_CONF_DIR": str(_conf(settings)), "FLINK_PLUGINS_DIR": f"{_distribution()}/plugins"}


def _conf(settings: Settings) -> Path:
    return settings.home / "flink" / "conf"


def _distribution() -> Path:
    # Found, not imported: only the streams package may load pyflink.
    spec = importlib.util.find_spec("pyflink")
    if spec is None or spec.origin is None:
        raise PartError("Flink comes in the apache-flink wheel, and it is not installed: run `uv sync`")
    return Path(spec.origin).parent


def _write_config(settings: Settings) -> None:
    conf, scratch = _conf(settings), settings.home / "flink" / "tmp"
    for folder in (conf, scratch, settings.home / "flink" / "checkpoints"):
        folder.mkdir(parents=True, exist_ok=True)
    (conf / "config.yaml").write_text("".join(f"{key}: {held}\n" for key, held in _config(settings).items()))
    (conf / "log4j.properties").write_text(_LOGGING)


def _config(settings: Settings) -> dict[str, object]:
    folder = settings.home / "flink"
    return {
        "jobmanager.rpc.address": LOOPBACK,
        "jobmanager.rpc.port": settings.flink_rpc_port,
        "jobmanager.bind-host": LOOPBACK,
        "blob.server.port": settings.flink_blob_port,
        "rest.address": LOOPBACK,
        "rest.bind-address": LOOPBACK,
        "rest.port": settings.flink_port,
        "rest.flamegraph.enabled": "true",  # stacks are sampled only while somebody asks for them
        "taskmanager.host": LOOPBACK,
        "taskmanager.bind-host": LOOPBACK,
        "taskmanager.resource-id": "embedded",  # a new one displaces a killed one at once
        "taskmanager.numberOfTaskSlots": settings.task_slots,
        "taskmanager.cpu.cores": settings.task_slots,
        "taskmanager.memory.framework.heap.size": f"{_FRAMEWORK_HEAP_MB}m",
        "taskmanager.memory.framework.off-heap.size": f"{_OFF_HEAP_MB}m",
        "taskmanager.memory.jvm-metaspace.size": f"{_METASPACE_MB}m",
        "taskmanager.memory.jvm-overhead.min": "192m",
        "taskmanager.memory.jvm-overhead.max": "192m",
        "taskmanager.memory.task.heap.size": f"{settings.taskmanager_heap_mb}m",
        "taskmanager.memory.task.off-heap.size": "0m",
        "taskmanager.memory.network.min": f"{_NETWORK_MB}m",
        "taskmanager.memory.network.max": f"{_NETWORK_MB}m",
        "taskmanager.memory.managed.size": f"{settings.taskmanager_managed_mb}m",
        "parallelism.default": settings.parallelism,
        "io.tmp.dirs": folder / "tmp",
        "web.tmpdir": folder / "tmp",
        "state.backend.type": settings.state_backend,
        "execution.checkpointing.interval": f"{settings.checkpoint_interval_ms}ms",
        "execution.checkpointing.dir": (folder / "checkpoints").as_uri(),
        "execution.checkpointing.savepoint-dir": (folder / "savepoints").as_uri(),
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
        "execution.checkpointing.num-retained": 2,
        "restart-strategy.type": "exponential-delay",
        "restart-strategy.exponential-delay.initial-backoff": "1s",
        "restart-strategy.exponential-delay.max-backoff": "10s",
        "heartbeat.interval": "3s",  # a killed task manager is noticed at the next one
        "heartbeat.timeout": "30s",
    }
