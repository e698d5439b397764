"""Submitting a group's job to a Flink cluster, finding the jobs that run there, and stopping them."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from pyflink.common import Configuration
from pyflink.datastream import StreamExecutionEnvironment
from pyflink.java_gateway import get_gateway
from pyflink.table import DataTypes, Schema, StreamTableEnvironment, Table
from pyflink.util.java_utils import add_jars_to_context_class_loader, to_jarray

from features.handover import Handover
from features.plan import GroupPlan
from streams import sql
from streams.dialect import FUNCTIONS
from streams.state import refuse_unfit, uids

_POLL_S = 0.1
_SAVEPOINT_S = 300.0
_COMMITTER = "Sink Committer: "  # what Flink puts before a sink's uid for that of the sink's second step
_RUNNING = frozenset({"INITIALIZING", "CREATED", "RUNNING", "RESTARTING", "RECONCILING", "FAILING"})


@dataclass(frozen=True)
class Cluster:
    """A Flink cluster: its REST address, the jars that a job needs, and how jobs run there."""

    url: str
    jars: tuple[Path, ...]
    checkpoints: str
    checkpoint_interval_ms: int = 10_000
    state_backend: str = "hashmap"
    parallelism: int = 1


class SavepointError(RuntimeError):
    """A job could not be stopped with a savepoint; it may run on."""


@dataclass(frozen=True)
class Job:
    """A job on the cluster, as its REST interface tells."""

    id: str
    name: str
    state: str

    @property
    def running(self) -> bool:
        """Whether it runs, or is about to."""
        return self.state in _RUNNING


def jobs(url: str) -> list[Job]:
    """List the cluster's jobs, ended ones too. Raises `httpx.HTTPError` where it does not answer."""
    found = httpx.get(f"{url}/jobs/overview", timeout=30).raise_for_status().json()["jobs"]
    return [Job(j["jid"], j["name"], j["state"]) for j in found]


def running(url: str, label: str) -> Job | None:
    """Give the running job of a group label, if there is one."""
    return next((j for j in jobs(url) if j.name == label and j.running), None)


def cancel(url: str, job: Job) -> None:
    """Ask the cluster to cancel a job; its last checkpoint stays."""
    httpx.patch(f"{url}/jobs/{job.id}", params={"mode": "cancel"}, timeout=30).raise_for_status()


def stop_with_savepoint(url: str, job: Job, folder: str) -> str:
    """Stop a job behind a savepoint in `folder` (a URL), and give the savepoint's path.

    All rows up to the savepoint are in the log then, and none after it. Raises `SavepointError` where the
    cluster could not, or has not within five minutes, `httpx.HTTPError` where it does not answer.
    """
    path = f"{url}/jobs/{job.id}"
    asked = httpx.post(f"{path}/stop", json={"targetDirectory": folder, "drain": False}, timeout=30)
    trigger = asked.raise_for_status().json()["request-id"]
    deadline = time.monotonic() + _SAVEPOINT_S
    while time.monotonic() < deadline:
        told = httpx.get(f"{path}/savepoints/{trigger}", timeout=30).raise_for_status().json()
        if told["status"]["id"] == "COMPLETED":
            if "failure-cause" in told["operation"]:
                raise SavepointError(
                    f"a job stops behind a savepoint, or it runs on; {job.name} has none in {folder}: "
                    + str(told["operation"]["failure-cause"].get("stack-trace", ""))[:500]
                )
            return str(told["operation"]["location"])
        time.sleep(_POLL_S)
    raise SavepointError(
        f"a savepoint takes up to {_SAVEPOINT_S:.0f} s; {job.name} may still be writing to {folder}, and stop"
    )


def latest_checkpoint(folder: str, label: str) -> str | None:
    """Give the newest complete checkpoint or savepoint that a group's former job left in its folder."""
    root = Path(folder.removeprefix("file://")) / label
    complete = sorted(root.glob("*/*/_metadata"), key=lambda p: p.stat().st_mtime_ns)
    return f"file://{complete[-1].parent}" if complete else None


def kept(state: str) -> set[str]:
    """Give the uids of the operators that a checkpoint or savepoint holds state of, or a name."""
    jvm = get_gateway().jvm
    file = jvm.org.apache.flink.core.fs.Path(state, "_metadata")
    stream = jvm.java.io.DataInputStream(file.getFileSystem().open(file))
    try:
        loader = jvm.Thread.currentThread().getContextClassLoader()
        held = jvm.org.apache.flink.runtime.checkpoint.Checkpoints.loadCheckpointMetadata(
            stream, loader, state
        )
    finally:
        stream.close()
    named = (
        operator.getOperatorUid().orElse(operator.getOperatorName().orElse(str(operator.getOperatorID())))
        for operator in held.getOperatorStates().toArray()
        if operator.getCoordinatorState() is not None
        or any(subtask.hasState() for subtask in operator.getStates().toArray())
    )
    return {name.removeprefix(_COMMITTER) for name in named}


def refuse_unfit_state(
    plan: GroupPlan, cluster: Cluster, recover_from: str | None = None, handover: Handover | None = None
) -> str | None:
    """Give the state that a job of the group would start from, or None.

    Raises `DefinitionError` where it does not fit, saying what differs. Nothing is changed on the cluster.
    """
    state = recover_from or latest_checkpoint(cluster.checkpoints, plan.label)
    if state is not None:
        refuse_unfit(plan, kept(state), state, handover)
    return state


def restart(
    plan: GroupPlan, at: sql.Addresses, cluster: Cluster, job: Job, handover: Handover | None = None
) -> str:
    """Stop the group's job behind a savepoint in its folder, start it from that, and give the new job's id.

    Raises `DefinitionError` where the state of the running job does not fit the plan, and what
    `stop_with_savepoint` raises; the job runs on then, as it is. Where the new job cannot be submitted, the
    next `submit` without `recover_from` goes on from the savepoint.
    """
    config = httpx.get(f"{cluster.url}/jobs/{job.id}/config", timeout=30).raise_for_status().json()
    told: dict[str, str] = config.get("execution-config", {}).get("user-config", {})
    refuse_unfit(plan, told.values(), f"the running job {job.id}", handover)
    folder = f"{cluster.checkpoints}/{plan.label}/savepoints"
    return submit(plan, at, cluster, stop_with_savepoint(cluster.url, job, folder), handover)


def submit(
    plan: GroupPlan,
    at: sql.Addresses,
    cluster: Cluster,
    recover_from: str | None = None,
    handover: Handover | None = None,
) -> str:
    """Start the group's job from a savepoint or a checkpoint, and give the job's id.

    Without `recover_from` that is the last checkpoint in the group's folder, where there is one. The job may
    run at another parallelism than the one that left the state. The rows are a function of the log alone, so
    a job that starts from the beginning, or from an older checkpoint, writes the same rows again under the
    same identities. With a `handover` it writes those from the cut on; such a group's state is of a job with
    a seed, so that it is given the same one whenever it starts. Raises `DefinitionError` where the state does
    not fit the plan.
    """
    state, states = refuse_unfit_state(plan, cluster, recover_from, handover), uids(plan, handover)
    tables = session(plan.label, cluster, state, states)
    for name, class_name in FUNCTIONS.items():
        tables.create_java_temporary_system_function(name, class_name)
    for statement in (
        *(sql.source_table(plan, source, at, handover) for source in plan.inputs),
        sql.rows_table(plan, at),
        sql.refused_table(at),
        sql.clocks_table(at),
    ):
        tables.execute_sql(statement)
    java: Any = tables._j_tenv
    pipeline = get_gateway().jvm.io.augury.streams.Pipeline
    for source in plan.inputs:
        clocked = pipeline.clock(_stream(java, tables.from_path(source.name)), sql.clock_plan(plan, source))
        java.createTemporaryView(sql.clocked(source), java.fromDataStream(clocked, _timed()))
    tables.create_temporary_view(sql.TAKEN, tables.sql_query(sql.taken(plan, handover)))
    for number, lookup in enumerate(plan.lookups):
        asked = _stream(java, tables.sql_query(sql.lookup(plan, number)))
        found = pipeline.lookup(asked, sql.lookup_name(plan, number), len(lookup.columns))
        java.createTemporaryView(sql.looked_up(number + 1), java.fromDataStream(found, _timed()))
    events = _stream(java, tables.sql_query(sql.events(plan)))
    if handover is None:
        outputs = pipeline.windows(events, plan.to_json())
    else:
        kafka = _map({"bootstrap.servers": at.bootstrap, "isolation.level": "read_committed", **at.kafka})
        whole = pipeline.seeded(events, plan.label, handover.topic, at.registry, kafka)
        outputs = pipeline.windows(whole, plan.to_json(), handover.cut)
    java.createTemporaryView(sql.WINDOWED, java.fromDataStream(outputs.getRows()))
    java.createTemporaryView(sql.REFUSED, java.fromDataStream(outputs.getRefused()))
    java.createTemporaryView(sql.CLOCKS, java.fromDataStream(outputs.getClocks()))
    return start(tables, plan.label, sql.inserts(plan), states)


def session(
    label: str, cluster: Cluster, state: str | None = None, states: Mapping[str, str] | None = None
) -> StreamTableEnvironment:
    """Give Flink SQL on the cluster, for a job named `label` with the settings of every job here.

    `states` tells how the job's state is laid out to whoever asks the cluster about it.
    """
    tables = StreamTableEnvironment.create(_environment(label, cluster, state, states or {}))
    tables.get_config().set("table.local-time-zone", "UTC")
    return tables


def start(
    tables: StreamTableEnvironment,
    label: str,
    inserts: Sequence[str],
    states: Mapping[str, str] | None = None,
) -> str:
    """Start one job of some inserts, its steps with the uids in `states`, and give its id."""
    statements = tables.create_statement_set()
    for insert in inserts:
        statements.add_insert_sql(insert)
    statements.attach_as_datastream()
    job = tables._j_tenv.execEnv()
    get_gateway().jvm.io.augury.streams.Pipeline.identify(job, label, _map(states or {}))
    return str(job.executeAsync(label).getJobID())


def _map(values: Mapping[str, str]) -> Any:  # noqa: ANN401
    made = get_gateway().jvm.java.util.HashMap()
    for name, value in values.items():
        made.put(name, value)
    return made


def _environment(
    label: str, cluster: Cluster, state: str | None, states: Mapping[str, str]
) -> StreamExecutionEnvironment:
    add_jars_to_context_class_loader([jar.as_uri() for jar in cluster.jars])
    jvm = get_gateway().jvm
    configuration = Configuration()
    settings = {
        "parallelism.default": str(cluster.parallelism),
        "pipeline.auto-watermark-interval": "20 ms",
        "execution.buffer-timeout.interval": "10 ms",
        "pipeline.object-reuse": "true",
        "pipeline.generic-types": "false",
        "state.backend.type": cluster.state_backend,
        "execution.checkpointing.interval": f"{cluster.checkpoint_interval_ms} ms",
        "execution.checkpointing.mode": "EXACTLY_ONCE",
        "execution.checkpointing.dir": f"{cluster.checkpoints}/{label}",
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
        "execution.checkpointing.num-retained": "2",
        "restart-strategy.type": "exponential-delay",
        "restart-strategy.exponential-delay.initial-backoff": "1 s",
        "restart-strategy.exponential-delay.max-backoff": "30 s",
    }
    if state is not None:
        settings["execution.state-recovery.path"] = state
    for name, value in settings.items():
        configuration.set_string(name, value)
    # how the job's state is laid out, for whoever asks before it is stopped
    told = jvm.org.apache.flink.configuration.PipelineOptions.GLOBAL_JOB_PARAMETERS
    configuration._j_configuration.set(told, _map(states))
    address = httpx.URL(cluster.url)
    remote = jvm.org.apache.flink.streaming.api.environment.StreamExecutionEnvironment
    paths = to_jarray(jvm.String, [str(jar) for jar in cluster.jars])
    java = remote.createRemoteEnvironment(address.host, address.port, configuration._j_configuration, paths)
    return StreamExecutionEnvironment(java)


def _timed() -> Any:  # noqa: ANN401
    """Give a schema under which watermarks go through into the table; by default they would end there."""
    time = DataTypes.TIMESTAMP_LTZ(3)
    builder = Schema.new_builder().column_by_metadata("_rowtime", time, "rowtime")
    return builder.watermark("_rowtime", "SOURCE_WATERMARK()").build()._j_schema


def _stream(java: Any, table: Table) -> Any:  # noqa: ANN401
    """Turn a table into a Java stream of its engine's own rows, without copying them."""
    jvm = get_gateway().jvm
    row_data = (
        jvm.Thread.currentThread().getContextClassLoader().loadClass("org.apache.flink.table.data.RowData")
    )
    data_type = table._j_table.getResolvedSchema().toSourceRowDataType().notNull().bridgedTo(row_data)
    return java.toDataStream(table._j_table, data_type)
