"""A challenger takes over by shares."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.add_column("model_serving_config", sa.Column("canary_began", sa.BigInteger()))
    op.add_column("model_serving_config", sa.Column("canary_since", sa.BigInteger()))
    op.create_table(
        "canary_policy",
        sa.Column("model_name", sa.String(), primary_key=True),
        sa.Column("steps", sa.JSON(), nullable=False),
        sa.Column("hold", sa.String(), nullable=False),
        sa.Column("min_requests", sa.BigInteger(), nullable=False),
        sa.Column("max_error_rate_rise", sa.Double(), nullable=False),
        sa.Column("max_latency_ratio", sa.Double(), nullable=False),
        sa.Column("max_harm", sa.Double(), nullable=False),
        sa.Column("alpha", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
    )


def downgrade() -> None:
    raise NotImplementedError("history is never dropped; restore a backup instead")
