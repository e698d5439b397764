"""Evaluation policies say what a missing label counts as, and what is worth finding."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("evaluation_policy", sa.Column("missing", sa.Double()))
    op.add_column("evaluation_policy", sa.Column("effect", sa.Double()))


def downgrade() -> None:
    raise NotImplementedError("history is never dropped; restore a backup instead")
