"""The registry database's tables. Times are milliseconds since the epoch."""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """The tables' common metadata."""

    type_annotation_map = {  # noqa: RUF012 (SQLAlchemy's contract)
        dict[str, Any]: JSON,
        list[str]: JSON,
        list[float]: JSON,
        int: BigInteger,
    }


class Experiment(Base):
    """One training, study or rerun. Immutable by trigger: a correction is a new row that names its parent.

    `recipe` is all that the training depended on but the training set; rows of before it was kept have none.
    """

    __tablename__ = "experiments"
    experiment_id: Mapped[str] = mapped_column(primary_key=True)
    parent_experiment_id: Mapped[str | None] = mapped_column(ForeignKey("experiments.experiment_id"))
    model_name: Mapped[str | None]
    model_type: Mapped[str]
    hyperparameters: Mapped[dict[str, Any]]
    recipe: Mapped[dict[str, Any]]
    training_dataset_version: Mapped[str]
    training_dataset_hash: Mapped[str | None]
    feature_group_versions: Mapped[dict[str, Any]]
    evaluation_metrics: Mapped[dict[str, Any]]
    artifact_path: Mapped[str]
    code_version: Mapped[str]
    environment: Mapped[dict[str, Any]]
    seed: Mapped[int]
    trained_at: Mapped[int]
    kind: Mapped[str]


class ExperimentTrial(Base):
    """One trial of the study that an experiment began, numbered in the order in which they ended.

    Immutable by trigger. `losses` are those of its folds, `value` their mean, `reason` why it failed,
    `seconds` how long it took.
    """

    __tablename__ = "experiment_trials"
    experiment_id: Mapped[str] = mapped_column(ForeignKey("experiments.experiment_id"), primary_key=True)
    trial: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    hyperparameters: Mapped[dict[str, Any]]
    value: Mapped[float | None]
    losses: Mapped[list[float]]
    state: Mapped[str]
    reason: Mapped[str]
    ended_at: Mapped[int]
    seconds: Mapped[float | None]


class TrainingConfig(Base):
    """The hyperparameters that the next training of a model starts from, and where they come from."""

    __tablename__ = "training_config"
    model_name: Mapped[str] = mapped_column(primary_key=True)
    hyperparameters: Mapped[dict[str, Any]]
    provenance: Mapped[dict[str, Any]]
    updated_at: Mapped[int]


class Model(Base):
    """One version of a model.

    `judged_against` is the champion that its trial compares it with, `replaced` the champion that its
    promotion retired.
    """

    __tablename__ = "model_registry"
    __table_args__ = (
        UniqueConstraint("model_name", "experiment_id", name="one_version_an_experiment"),
        Index(
            "one_champion_a_model",
            "model_name",
            unique=True,
            sqlite_where=text("status = 'champion'"),
            postgresql_where=text("status = 'champion'"),
        ),
    )
    model_name: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    status: Mapped[str]
    artifact_uri: Mapped[str]
    sha256: Mapped[str]
    framework: Mapped[str]
    serving_flavour: Mapped[str]
    signature: Mapped[dict[str, Any]]
    experiment_id: Mapped[str] = mapped_column(ForeignKey("experiments.experiment_id"))
    judged_against: Mapped[int | None]
    replaced: Mapped[int | None]
    created_at: Mapped[int]


class ModelEvent(Base):
    """One change of a model version: who, when and why. Append-only by trigger, and the outbox of events.

    How the model's requests are routed after it stands there too; NULL in an event of before that was kept.
    """

    __tablename__ = "model_registry_events"
    __table_args__ = (
        ForeignKeyConstraint(
            ["model_name", "version"], ["model_registry.model_name", "model_registry.version"]
        ),
        {"sqlite_autoincrement": True},
    )
    # SQLite counts up only for INTEGER, so the type is not BIGINT there.
    position: Mapped[int] = mapped_column(BigInteger().with_variant(Integer(), "sqlite"), primary_key=True)
    event_id: Mapped[str] = mapped_column(unique=True)
    model_name: Mapped[str]
    version: Mapped[int]
    kind: Mapped[str]
    status: Mapped[str]
    by: Mapped[str]
    why: Mapped[str]
    at: Mapped[int]
    sha256: Mapped[str | None]
    artifact_uri: Mapped[str | None]
    evidence: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    experiment_id: Mapped[str | None]
    shadow_model_version: Mapped[int | None]
    challenger_version: Mapped[int | None]
    challenger_share: Mapped[float | None]
    canary: Mapped[bool | None]


class PublishedEvent(Base):
    """Which events Kafka has acknowledged: kept apart, for the events themselves never change."""

    __tablename__ = "model_registry_events_published"
    event_id: Mapped[str] = mapped_column(ForeignKey("model_registry_events.event_id"), primary_key=True)
    published_at: Mapped[int]


class GateRow(Base):
    """What one gate has found for one experiment. Append-only by trigger; the newest row of a gate holds."""

    __tablename__ = "model_gate_results"
    __table_args__ = ({"sqlite_autoincrement": True},)
    position: Mapped[int] = mapped_column(BigInteger().with_variant(Integer(), "sqlite"), primary_key=True)
    experiment_id: Mapped[str] = mapped_column(index=True)  # that of a training which may never have ended
    model_name: Mapped[str]
    gate: Mapped[str]
    passed: Mapped[bool]
    rule: Mapped[str]
    value: Mapped[str]
    consequence: Mapped[str]
    at: Mapped[int]


class Serving(Base):
    """How requests for a model are routed.

    Where the challenger's share is that of a canary, `canary_began` is when that began, and `canary_since`
    when its step did; else both are NULL.
    """

    __tablename__ = "model_serving_config"
    model_name: Mapped[str] = mapped_column(primary_key=True)
    challenger_version: Mapped[int | None]
    challenger_share: Mapped[float]
    shadow_model_version: Mapped[int | None]
    canary_began: Mapped[int | None]
    canary_since: Mapped[int | None]
    updated_at: Mapped[int]


class FeatureCutover(Base):
    """One step of a cut-over: who, when and why. Append-only by trigger.

    Where signatures name `version` of the group, `reads` is read; `target` is what it takes to read it,
    NULL where that is the signed version itself.
    """

    __tablename__ = "feature_cutovers"
    __table_args__ = ({"sqlite_autoincrement": True},)
    position: Mapped[int] = mapped_column(BigInteger().with_variant(Integer(), "sqlite"), primary_key=True)
    group_name: Mapped[str]
    version: Mapped[int]
    kind: Mapped[str]
    reads: Mapped[int]
    target: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    by: Mapped[str]
    why: Mapped[str]
    at: Mapped[int]


class Action(Base):
    """What an alert has set off by itself for a model, counted by `day` (ms) of the log's clock."""

    __tablename__ = "actions"
    model_name: Mapped[str] = mapped_column(primary_key=True)
    action: Mapped[str] = mapped_column(primary_key=True)
    alert_id: Mapped[str] = mapped_column(primary_key=True)
    policy: Mapped[str]
    day: Mapped[int]
    taken_at: Mapped[int]


class FeatureFreeze(Base):
    """One step by which a feature of a model is frozen at its default, or thawed. Append-only by trigger.

    `version` is the champion of the moment, `value` the default that it states, NULL where it is thawed;
    `alert_id` names the alert that set it off, if one did. The view `frozen_features` has the periods.
    """

    __tablename__ = "feature_freezes"
    __table_args__ = ({"sqlite_autoincrement": True},)
    position: Mapped[int] = mapped_column(BigInteger().with_variant(Integer(), "sqlite"), primary_key=True)
    model_name: Mapped[str] = mapped_column(index=True)
    version: Mapped[int]
    feature: Mapped[str]
    kind: Mapped[str]
    value: Mapped[Any | None] = mapped_column(JSON(none_as_null=True))
    by: Mapped[str]
    why: Mapped[str]
    alert_id: Mapped[str | None]
    at: Mapped[int]


class EvaluationPolicyRow(Base):
    """When a challenger replaces the champion."""

    __tablename__ = "evaluation_policy"
    model_name: Mapped[str] = mapped_column(primary_key=True)
    alpha: Mapped[float]
    threshold: Mapped[float]
    min_units: Mapped[int]
    max_units: Mapped[int]
    look_every: Mapped[str]
    metric: Mapped[str]
    minimum_improvement: Mapped[float]
    method: Mapped[str]
    mode: Mapped[str]
    share: Mapped[float]
    horizon: Mapped[str | None]
    missing: Mapped[float | None]
    effect: Mapped[float | None]
    guards: Mapped[list[Any]] = mapped_column(JSON)
    segments: Mapped[list[str]]
    segment_margin: Mapped[float]
    block: Mapped[int]
    k: Mapped[int]
    value: Mapped[str | None]
    value_range: Mapped[list[Any] | None] = mapped_column(JSON(none_as_null=True))
    sprt: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    updated_at: Mapped[int]


class DriftPolicyRow(Base):
    """How drift of a group, or of a model's outputs (no group), is found, and what an alert sets off."""

    __tablename__ = "drift_policy"
    group_name: Mapped[str] = mapped_column(primary_key=True)
    group_version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    model_name: Mapped[str] = mapped_column(primary_key=True)
    method: Mapped[str]
    categorical: Mapped[list[str]]
    bins: Mapped[int | None]
    values: Mapped[str]
    window: Mapped[str]
    every: Mapped[str]
    false_alarms_per_month: Mapped[float]
    threshold: Mapped[float | None]
    min_rows: Mapped[int]
    retrain: Mapped[bool]
    debounce: Mapped[str]
    actions_per_day: Mapped[int]
    on_broken: Mapped[str]
    updated_at: Mapped[int]


class MonitoringPolicyRow(Base):
    """Which rolling metric of a model is watched, and what harm sets off."""

    __tablename__ = "monitoring_policy"
    model_name: Mapped[str] = mapped_column(primary_key=True)
    metric: Mapped[str] = mapped_column(primary_key=True)
    window: Mapped[str]
    every: Mapped[str]
    threshold: Mapped[float]
    k: Mapped[float]
    segments: Mapped[list[str]]
    gap: Mapped[float | None]
    losses: Mapped[float | None]
    alpha: Mapped[float]
    false_alarms_per_month: Mapped[float]
    min_units: Mapped[int]
    on_harm: Mapped[str]
    on_estimated: Mapped[str]
    actions_per_day: Mapped[int]
    updated_at: Mapped[int]


class GatePolicyRow(Base):
    """What a training set and a new version of a model must be like before the version is registered."""

    __tablename__ = "gate_policy"
    model_name: Mapped[str] = mapped_column(primary_key=True)
    min_rows: Mapped[int]
    max_missing_share: Mapped[float]
    max_missing_rise: Mapped[float]
    max_anomalous_share: Mapped[float]
    max_feature_auc: Mapped[float]
    max_changed_share: Mapped[float]
    metric: Mapped[str]
    min_improvement: Mapped[float]
    max_latency_ms: Mapped[float]
    max_size_mb: Mapped[float]
    updated_at: Mapped[int]


class CanaryPolicyRow(Base):
    """By which shares a challenger takes over, and what it is taken back for."""

    __tablename__ = "canary_policy"
    model_name: Mapped[str] = mapped_column(primary_key=True)
    steps: Mapped[list[Any]] = mapped_column(JSON)
    hold: Mapped[str]
    min_requests: Mapped[int]
    max_error_rate_rise: Mapped[float]
    max_latency_ratio: Mapped[float]
    max_harm: Mapped[float]
    alpha: Mapped[float]
    updated_at: Mapped[int]


POLICIES: dict[str, type[Base]] = {
    row.__tablename__: row
    for row in (EvaluationPolicyRow, DriftPolicyRow, MonitoringPolicyRow, GatePolicyRow, CanaryPolicyRow)
}
