"""What policies set off by themselves, so that it is bounded; and how far apart losses may be."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.create_table(
        "actions",
        sa.Column("model_name", sa.String(), primary_key=True),
        sa.Column("action", sa.String(), primary_key=True),
        sa.Column("alert_id", sa.String(), primary_key=True),
        sa.Column("policy", sa.String(), nullable=False),
        sa.Column("day", sa.BigInteger(), nullable=False),
        sa.Column("taken_at", sa.BigInteger(), nullable=False),
    )
    per_day = sa.Column("actions_per_day", sa.BigInteger(), nullable=False, server_default="1")
    op.add_column("drift_policy", per_day)
    op.add_column("monitoring_policy", sa.Column("losses", sa.Double()))


def downgrade() -> None:
    raise NotImplementedError("history is never dropped; restore a backup instead")
