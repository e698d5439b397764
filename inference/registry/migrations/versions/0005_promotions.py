"""Evidence of decisions, the history of champions, lineage, gates and canaries."""

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
    op.add_column("model_serving_config", sa.Column("canary_since", sa.BigInteger()))
    op.add_column("model_serving_config", sa.Column("step_since", sa.BigInteger()))
    op.execute(CHAMPIONS)
    op.execute(LINEAGE)


def downgrade() -> None:
    raise NotImplementedError("history is never dropped; restore a backup instead")
