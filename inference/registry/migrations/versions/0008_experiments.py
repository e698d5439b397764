"""Experiments hold what it takes to run them again."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.execute("ALTER TABLE experiments RENAME COLUMN created_at TO trained_at")
    op.add_column("experiments", sa.Column("model_name", sa.String()))
    op.add_column("experiments", sa.Column("training_dataset_hash", sa.String()))
    op.add_column("experiments", sa.Column("recipe", sa.JSON(), nullable=False, server_default="{}"))


def downgrade() -> None:
    raise NotImplementedError("history is never dropped; restore a backup instead")
