"""Making a project so: schemas, topics, tables, policies, jobs, and the record of what was applied."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from augury.clients import warehouse
from augury.clock import wall_ms
from augury.models import registry
from augury.settings import Settings, export
from augury.stack.jars import flink_jars
from augury.stack.java import java
from features.contracts import Change, changes, refuse_changed
from features.plan import GroupPlan, SourcePlan
from features.policies import DriftPolicy, Policy
from features.project import Project
from schemas.log import Topic, create_topics
from schemas.records import TOPICS, load
from schemas.registry import SchemaRegistry
from streams.job import Cluster, running, submit
from streams.sql import Addresses
from warehouse.client import migrate
from warehouse.contracts import applied, record
from warehouse.tables import group_tables, source_table

Report = Callable[[str], None]
_FOREVER = {"retention.ms": "-1", "message.timestamp.type": "CreateTime"}


@dataclass
class Applied:
    """What an apply did, by kind."""

    changes: list[Change]
    topics: list[str] = field(default_factory=list)
    jobs: dict[str, str] = field(default_factory=dict)  # group label -> id of the job that was started


def preview(project: Project, settings: Settings) -> list[Change]:
    """Compile the project and compare it with what stands. Raises `DefinitionError` for a mistake."""
    plans = _compiled(project)
    client = warehouse(settings)
    try:
        return changes(plans, applied(client))
    finally:
        client.close()


def apply(project: Project, settings: Settings, report: Report = lambda _: None) -> Applied:
    """Make the project so. Each step may be run again, so an apply that was cut short is repeated whole.

    Raises `DefinitionError` before anything is touched, for a mistake or for a group whose contract
    changed under its old version.
    """
    plans = _compiled(project)
    client = warehouse(settings)
    try:
        done = Applied(changes(plans, applied(client)))
        refuse_changed(done.changes)
        report("schemas")
        _register_schemas(project, settings)
        report("topics")
        done.topics = create_topics(
            settings.kafka_bootstrap, _topics(project, settings), **settings.kafka_client()
        )
        report("tables")
        migrate(client)
        for source in project.source_plans.values():
            client.command(source_table(source))
        for plan in plans:
            for table in group_tables(plan):
                client.command(table)
        report("policies")
        registry(settings).save_policies([_policy_row(p) for p in project.policies])
        for plan in plans:
            if running(settings.flink_url, plan.label) is None:
                report(f"job {plan.label}")
                export("JAVA_HOME", str(Path(java()).parent.parent))  # pyflink starts a Java of its own
                done.jobs[plan.label] = submit(plan, log_addresses(settings), cluster(settings))
        record(client, plans, wall_ms())
    finally:
        client.close()
    return done


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


def _compiled(project: Project) -> list[GroupPlan]:
    plans = list(project.group_plans.values())
    _ = project.source_plans, project.model_plans  # a mistake anywhere is told before anything is done
    return plans


def _register_schemas(project: Project, settings: Settings) -> None:
    schemas = SchemaRegistry(settings.registry_url)
    schemas.set_compatibility("BACKWARD")
    for topic, name in TOPICS.items():
        schemas.register(f"{topic}-value", load(name))
    for source in project.source_plans.values():
        schemas.register(f"{source.topic}-value", source.avro)
    for plan in project.group_plans.values():
        schemas.register(f"{plan.topic}-value", plan.avro_schema())


def _topics(project: Project, settings: Settings) -> list[Topic]:
    topics = [Topic(s.topic, s.partitions, _source_config(s)) for s in project.source_plans.values()]
    topics += [Topic(p.topic, p.source.partitions, _FOREVER) for p in project.group_plans.values()]
    requests = {"prediction.requests": settings.partitions}
    return topics + [Topic(name, requests.get(name, 1), _FOREVER) for name in TOPICS]


def _source_config(source: SourcePlan) -> dict[str, str]:
    # The broker itself refuses a stamp from the future, so that no engine has to judge by its own clock.
    return _FOREVER | {"message.timestamp.after.max.ms": str(source.max_clock_skew_ms)}


def _policy_row(policy: Policy) -> dict[str, Any]:
    row = {name: value for name, value in vars(policy).items() if name not in ("group", "model")}
    row["model_name"] = policy.model.name
    if isinstance(policy, DriftPolicy):
        row |= {"group_name": policy.group.name, "group_version": policy.group.version}
    kinds = {"DriftPolicy": "drift_policy", "EvaluationPolicy": "evaluation_policy"}
    return row | {"policy": kinds.get(type(policy).__name__, "monitoring_policy")}
