"""Features that a model has at their defaults, kept as it was written; drift policies may ask for it."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

RULE = "feature_freezes is append-only: a row stays as it was written; record a new one instead"

# The steps of a feature take turns, so the end of each freeze is the step behind it.
FROZEN_FEATURES = """
CREATE VIEW frozen_features AS
SELECT model_name, feature, value, since, until, "by", why, alert_id, thawed_by, thawed_why, position
FROM (
  SELECT model_name, feature, value, kind, "by", why, alert_id, position, at AS since,
    lead(at) OVER steps AS until, lead("by") OVER steps AS thawed_by, lead(why) OVER steps AS thawed_why
  FROM feature_freezes
  WINDOW steps AS (PARTITION BY model_name, feature ORDER BY position)
) AS periods
WHERE kind = 'feature_frozen'
"""


def upgrade() -> None:
    op.create_table(
        "feature_freezes",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
        sa.Column("model_name", sa.String(), nullable=False, index=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("feature", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("value", sa.JSON(none_as_null=True)),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("alert_id", sa.String()),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.execute(FROZEN_FEATURES)
    op.add_column("drift_policy", sa.Column("on_broken", sa.String(), nullable=False, server_default="tell"))
    if op.get_bind().dialect.name == "sqlite":
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER feature_freezes_no_{change.lower()} BEFORE {change} ON feature_freezes "
                f"BEGIN SELECT RAISE(ABORT, '{RULE}'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION feature_freezes_kept() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{RULE}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER feature_freezes_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON feature_freezes "
        "EXECUTE FUNCTION feature_freezes_kept()"
    )


def downgrade() -> None:
    raise NotImplementedError("history is never dropped; restore a backup instead")
