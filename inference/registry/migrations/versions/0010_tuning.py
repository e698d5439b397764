"""Experiments say what they are; trials are kept as they ended, with the losses of their folds."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0008"

RULE = "experiment_trials is append-only: a row stays as it was written; record a new one instead"


def upgrade() -> None:
    op.add_column("experiments", sa.Column("kind", sa.String(), nullable=False, server_default="training"))
    op.execute("ALTER TABLE experiment_trials RENAME COLUMN created_at TO ended_at")
    op.add_column("experiment_trials", sa.Column("losses", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("experiment_trials", sa.Column("reason", sa.String(), nullable=False, server_default=""))
    if op.get_bind().dialect.name == "sqlite":
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER experiment_trials_no_{change.lower()} BEFORE {change} ON experiment_trials "
                f"BEGIN SELECT RAISE(ABORT, '{RULE}'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION experiment_trials_kept() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{RULE}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER experiment_trials_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON experiment_trials "
        "EXECUTE FUNCTION experiment_trials_kept()"
    )


def downgrade() -> None:
    raise NotImplementedError("history is never dropped; restore a backup instead")
