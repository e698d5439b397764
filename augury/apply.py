"""Making a project so: schemas, topics, tables, policies, jobs, and the record of what was applied."""

from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import httpx

from augury.clients import warehouse
from augury.clock import wall_ms
from augury.handover import Report as Progress
from augury.handover import hand_over
from augury.models import registry
from augury.settings import Settings, export
from augury.stack.jars import flink_jars
from augury.stack.java import java
from features.contracts import Change, ChangeKind, changes, refuse_changed
from features.errors import DefinitionError
from features.handover import HandoverError, check_handover
from features.inputs import SourcePlan
from features.plan import GroupPlan
from features.policies import (
    CanaryPolicy,
    DriftPolicy,
    EvaluationPolicy,
    GatePolicy,
    MonitoringPolicy,
    Policy,
)
from features.project import Project
from schemas.log import Topic, create_topics
from schemas.records import TOPICS, load
from schemas.registry import SchemaRegistry
from streams.freshness_agent import CHANGELOG
from streams.job import Cluster, latest_checkpoint, refuse_unfit_state, running, submit
from streams.job import restart as restart_job
from streams.reporter import REPORTS
from streams.reporter import TOPIC as FRESHNESS
from streams.sql import Addresses
from warehouse.client import migrate
from warehouse.contracts import applied, record
from warehouse.handover import handed_over
from warehouse.policies import record_policies
from warehouse.tables import gained_columns, group_tables, source_table

Report = Callable[[str], None]
_FOREVER = {"retention.ms": "-1"}


@dataclass
class Applied:
    """What an apply did, by kind."""

    changes: list[Change]
    topics: list[str] = field(default_factory=list)
    jobs: dict[str, str] = field(default_factory=dict)  # group label -> id of the job that was started


def apply(
    project: Project,
    settings: Settings,
    report: Report = lambda _: None,
    *,
    from_history: Collection[str] = (),
    progress: Progress = lambda _step, _done, _of: None,
) -> Applied:
    """Make the project so. Each step may be run again, so an apply that was cut short is repeated whole.

    `from_history` names the groups, by label, whose jobs begin at a cut in the log's clock: what was before
    is backfilled, and `progress` told of it. Raises `DefinitionError` before anything of the project is
    touched, for a mistake, for a group whose contract changed under its old version, or for one whose job
    does not run and left a state that does not fit; and `HandoverError`.
    """
    plans = compiled(project)
    client = warehouse(settings)
    try:
        migrate(client)  # no contract is touched, and what runs already may need it
        done = Applied(changes(plans, applied(client)))
        refuse_changed(done.changes)
        there = cluster(settings)
        pyflink_java()
        started = [plan for plan in plans if running(there.url, plan.label) is None]
        if late := set(from_history) - {plan.label for plan in started}:
            raise HandoverError(
                "a job begins with history when it is first started, for a seed would count events twice; "
                f"{', '.join(sorted(late))} runs: apply without --from-history, or state a new version"
            )
        begun = {plan.label: handed_over(client, plan.name, plan.version) for plan in started}
        for plan in started:
            if begun[plan.label] is None and plan.label in from_history:
                _refuse_late(plan, latest_checkpoint(there.checkpoints, plan.label))
                check_handover(plan)
            else:
                refuse_unfit_state(plan, there, handover=begun[plan.label])
        report("schemas")
        _register_schemas(project, settings)
        report("topics")
        done.topics = create_topics(
            settings.kafka_bootstrap, _topics(project, settings), **settings.kafka_client()
        )
        report("tables")
        # before the jobs: what may be running already must not be taken for another contract later
        new = {change.label for change in done.changes if change.kind is ChangeKind.CREATE}
        record(client, [plan for plan in plans if plan.label in new], wall_ms())
        for source in project.source_plans.values():
            for statement in (source_table(source), *gained_columns(source)):
                client.command(statement)
        for plan in plans:
            for table in group_tables(plan):
                client.command(table)
        report("policies")
        policies = [_policy_row(p) for p in project.policies]
        registry(settings).policies.save(policies)
        record_policies(client, policies, wall_ms())
        for plan in started:
            report(f"job {plan.label}")
            begins = begun[plan.label]
            if begins is None and plan.label in from_history:
                begins = hand_over(plan, settings, client, progress)
            done.jobs[plan.label] = submit(plan, log_addresses(settings), there, handover=begins)
    finally:
        client.close()
    return done


def restart(plan: GroupPlan, settings: Settings) -> str:
    """Stop the group's job behind a savepoint and start it from that, as the project states it; give its id.

    Raises `DefinitionError` where no job of the group runs, or its state does not fit; the job runs on then.
    """
    there = cluster(settings)
    job = running(there.url, plan.label)
    if job is None:
        raise DefinitionError(
            f"job {plan.label}", "a job that runs is restarted", "`augury apply` starts one that does not"
        )
    pyflink_java()
    client = warehouse(settings)
    try:
        begun = handed_over(client, plan.name, plan.version)
    finally:
        client.close()
    return restart_job(plan, log_addresses(settings), there, job, begun)


def _refuse_late(plan: GroupPlan, state: str | None) -> None:
    if state is not None:
        raise HandoverError(
            "a version that has read its log goes on from its state, for a seed would count events twice; "
            f"{plan.label} left {state}: apply it without --from-history, or state a new version"
        )


def pyflink_java() -> None:
    """Let pyflink, which starts a Java of its own, take the one that runs the stack's parts."""
    export("JAVA_HOME", str(Path(java()).parent.parent))


def cluster(settings: Settings) -> Cluster:
    """Give the Flink cluster with the jars that a job needs."""
    return Cluster(
        url=settings.flink_url,
        jars=tuple(flink_jars(settings)),
        checkpoints=settings.checkpoints_url,
        checkpoint_interval_ms=settings.checkpoint_interval_ms,
        state_backend=settings.state_backend,
        parallelism=settings.parallelism,
    )


def log_addresses(settings: Settings) -> Addresses:
    """Give where a job finds the log and the registry."""
    return Addresses(settings.kafka_bootstrap, settings.registry_url, settings.kafka_java_client())


def compiled(project: Project) -> list[GroupPlan]:
    """Compile all of a project and give its groups. Raises `DefinitionError` for a mistake anywhere."""
    plans = list(project.group_plans.values())
    _ = project.source_plans, project.model_plans  # a mistake anywhere is told before anything is done
    return plans


def _register_schemas(project: Project, settings: Settings) -> None:
    schemas = SchemaRegistry(settings.registry_url)
    schemas.set_compatibility("BACKWARD")
    wanted = {s.topic: s.avro for s in project.source_plans.values()}
    wanted |= {p.topic: p.avro_schema() for p in project.group_plans.values()}
    wanted |= {topic: load(name) for topic, name in TOPICS.items()}
    for topic, schema in wanted.items():
        try:
            schemas.register(f"{topic}-value", schema)
        except httpx.HTTPStatusError as error:
            if error.response.status_code != httpx.codes.CONFLICT:
                raise
            raise DefinitionError(
                f"schema of {topic}",
                "a schema stays BACKWARD compatible with those before it",
                f"older records could not be read; the registry says: {error.response.text[:500]}",
            ) from error


def _topics(project: Project, settings: Settings) -> list[Topic]:
    # Live, the log's clock is the broker's own; in a replay it is when a record had arrived.
    stamped = {"message.timestamp.type": "CreateTime" if settings.replay else "LogAppendTime"}
    events, rows = _FOREVER | stamped, _FOREVER | {"message.timestamp.type": "CreateTime"}
    topics = [Topic(s.topic, s.partitions, events | _skew(s)) for s in project.source_plans.values()]
    topics += [
        Topic(p.topic, max(s.partitions for s in p.sources), rows) for p in project.group_plans.values()
    ]
    shared = dict.fromkeys(("prediction.requests", "prediction.batches"), settings.partitions)
    topics += [Topic(name, shared.get(name, 1), events) for name in TOPICS if name != REPORTS]
    return [*topics, FRESHNESS, CHANGELOG]


def _skew(source: SourcePlan) -> dict[str, str]:
    # The broker itself refuses a stamp from the future, so that no engine has to judge by its own clock.
    return {"message.timestamp.after.max.ms": str(source.max_clock_skew_ms)}


def _policy_row(policy: Policy) -> dict[str, Any]:
    row = {
        name: list(value) if isinstance(value, tuple) else value
        for name in (f.name for f in fields(policy) if f.name not in ("group", "model"))
        for value in (getattr(policy, name),)
    }
    row["model_name"] = policy.model.name
    if isinstance(policy, DriftPolicy):
        group = policy.group
        row |= {"group_name": "", "group_version": 0}
        if group is not None:
            row |= {"group_name": group.name, "group_version": group.version}
    if isinstance(policy, CanaryPolicy):
        row["steps"] = list(policy.steps)
    if isinstance(policy, EvaluationPolicy):
        row |= {"method": policy.weighed_by, "threshold": policy.decision_threshold}
        row["segments"] = list(policy.segments)
        row["guards"] = [asdict(guard) for guard in policy.guards]
        row["sprt"] = None if policy.sprt is None else asdict(policy.sprt)
        row["value_range"] = None if policy.value_range is None else list(policy.value_range)
    return row | {"policy": _POLICIES[type(policy)]}


_POLICIES: dict[type[Policy], str] = {
    EvaluationPolicy: "evaluation_policy",
    DriftPolicy: "drift_policy",
    MonitoringPolicy: "monitoring_policy",
    GatePolicy: "gate_policy",
    CanaryPolicy: "canary_policy",
}
"""The table of each kind of policy."""
