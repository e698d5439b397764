"""The registry's tables, and the triggers that keep experiments and events as they were written."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

KEPT = ("experiments", "model_registry_events")
RULE = "% is append-only: a row stays as it was written; record a new one instead"


def upgrade() -> None:
    op.create_table(
        "experiments",
        sa.Column("experiment_id", sa.String(), primary_key=True),
        sa.Column("parent_experiment_id", sa.String(), sa.ForeignKey("experiments.experiment_id")),
        sa.Column("model_type", sa.String(), nullable=False),
        sa.Column("hyperparameters", sa.JSON(), nullable=False),
        sa.Column("training_dataset_version", sa.String(), nullable=False),
        sa.Column("feature_group_versions", sa.JSON(), nullable=False),
        sa.Column("evaluation_metrics", sa.JSON(), nullable=False),
        sa.Column("artifact_path", sa.String(), nullable=False),
        sa.Column("code_version", sa.String(), nullable=False),
        sa.Column("environment", sa.JSON(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "experiment_trials",
        sa.Column("experiment_id", sa.String(), sa.ForeignKey("experiments.experiment_id"), primary_key=True),
        sa.Column("trial", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("hyperparameters", sa.JSON(), nullable=False),
        sa.Column("value", sa.Double()),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "training_config",
        sa.Column("model_name", sa.String(), primary_key=True),
        sa.Column("hyperparameters", sa.JSON(), nullable=False),
        sa.Column("provenance", sa.JSON(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "model_registry",
        sa.Column("model_name", sa.String(), primary_key=True),
        sa.Column("version", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("artifact_uri", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("framework", sa.String(), nullable=False),
        sa.Column("serving_flavour", sa.String(), nullable=False),
        sa.Column("signature", sa.JSON(), nullable=False),
        sa.Column("experiment_id", sa.String(), sa.ForeignKey("experiments.experiment_id"), nullable=False),
        sa.Column("judged_against", sa.BigInteger()),
        sa.Column("replaced", sa.BigInteger()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("model_name", "experiment_id", name="one_version_an_experiment"),
    )
    champion = sa.text("status = 'champion'")
    op.create_index(
        "one_champion_a_model",
        "model_registry",
        ["model_name"],
        unique=True,
        sqlite_where=champion,
        postgresql_where=champion,
    )
    op.create_table(
        "model_registry_events",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
        sa.Column("event_id", sa.String(), nullable=False, unique=True),
        sa.Column("model_name", sa.String(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String()),
        sa.Column("artifact_uri", sa.String()),
        sa.ForeignKeyConstraint(
            ["model_name", "version"], ["model_registry.model_name", "model_registry.version"]
        ),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "model_registry_events_published",
        sa.Column("event_id", sa.String(), sa.ForeignKey("model_registry_events.event_id"), primary_key=True),
        sa.Column("published_at", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "model_serving_config",
        sa.Column("model_name", sa.String(), primary_key=True),
        sa.Column("challenger_version", sa.BigInteger()),
        sa.Column("challenger_share", sa.Double(), nullable=False),
        sa.Column("shadow_model_version", sa.BigInteger()),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
    )
    _policies()
    for table in KEPT:
        _keep(table)


def _policies() -> None:
    op.create_table(
        "evaluation_policy",
        sa.Column("model_name", sa.String(), primary_key=True),
        sa.Column("alpha", sa.Double(), nullable=False),
        sa.Column("threshold", sa.Double(), nullable=False),
        sa.Column("min_units", sa.BigInteger(), nullable=False),
        sa.Column("max_units", sa.BigInteger(), nullable=False),
        sa.Column("look_every", sa.String(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "drift_policy",
        sa.Column("group_name", sa.String(), primary_key=True),
        sa.Column("group_version", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("model_name", sa.String(), primary_key=True),
        sa.Column("psi_threshold", sa.Double(), nullable=False),
        sa.Column("retrain", sa.Boolean(), nullable=False),
        sa.Column("debounce", sa.String(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "monitoring_policy",
        sa.Column("model_name", sa.String(), primary_key=True),
        sa.Column("metric", sa.String(), primary_key=True),
        sa.Column("window", sa.String(), nullable=False),
        sa.Column("threshold", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
    )


def _keep(table: str) -> None:
    rule = RULE.replace("%", table)
    if op.get_bind().dialect.name == "sqlite":
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{rule}'); END"
            )
        return
    op.execute(
        f"CREATE FUNCTION {table}_kept() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{rule}'; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {table}_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        f"EXECUTE FUNCTION {table}_kept()"
    )


def downgrade() -> None:
    raise NotImplementedError("history is never dropped; restore a backup instead")
