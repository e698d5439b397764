"""Evidence of decisions, the history of champions, lineage and gates."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0003"

RULE = "model_gate_results is append-only: a row stays as it was written; record a new one instead"

# Each end of a reign is an event `retired` of the version that had it.
CHAMPIONS = """
CREATE VIEW champions AS
SELECT model_name, version, valid_from, valid_to, kind, "by", why, evidence, ended_by, ended_why, position
FROM (
  SELECT model_name, version, kind, "by", why, evidence, position, at AS valid_from,
    lead(at) OVER life AS valid_to, lead("by") OVER life AS ended_by, lead(why) OVER life AS ended_why
  FROM model_registry_events
  WHERE kind IN ('promoted', 'rolled_back', 'retired')
  WINDOW life AS (PARTITION BY model_name, version ORDER BY position)
) AS lives
WHERE kind <> 'retired'
"""
LINEAGE = """
CREATE VIEW model_lineage AS
SELECT m.model_name, m.version, m.status, m.sha256, m.artifact_uri, m.experiment_id,
  e.parent_experiment_id, e.training_dataset_version, e.feature_group_versions, e.code_version,
  e.environment, e.seed, e.hyperparameters, e.evaluation_metrics, m.created_at
FROM model_registry AS m JOIN experiments AS e ON e.experiment_id = m.experiment_id
"""


def upgrade() -> None:
    op.add_column("model_registry_events", sa.Column("evidence", sa.JSON(none_as_null=True)))
    op.execute(CHAMPIONS)
    op.execute(LINEAGE)
    op.create_table(
        "model_gate_results",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
        sa.Column("experiment_id", sa.String(), nullable=False, index=True),
        sa.Column("model_name", sa.String(), nullable=False),
        sa.Column("gate", sa.String(), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("consequence", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sqlite_autoincrement=True,
    )
    _keep("model_gate_results")
    gates = ["max_missing_share", "max_missing_rise", "max_anomalous_share", "max_feature_auc"]
    gates += ["max_changed_share", "min_improvement", "max_latency_ms", "max_size_mb"]
    op.create_table(
        "gate_policy",
        sa.Column("model_name", sa.String(), primary_key=True),
        sa.Column("min_rows", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.Double(), nullable=False) for name in gates),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
    )


def _keep(table: str) -> None:
    if op.get_bind().dialect.name == "sqlite":
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{RULE}'); END"
            )
        return
    op.execute(
        f"CREATE FUNCTION {table}_kept() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{RULE}'; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {table}_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        f"EXECUTE FUNCTION {table}_kept()"
    )


def downgrade() -> None:
    raise NotImplementedError("history is never dropped; restore a backup instead")
