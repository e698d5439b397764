"""Drift policies state methods, windows and the false alarms they allow."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    added: list[sa.Column[Any]] = [
        sa.Column("method", sa.String(), nullable=False, server_default="psi"),
        sa.Column("categorical", sa.JSON(), nullable=False, server_default="[]"),
        sa.Column("bins", sa.BigInteger()),
        sa.Column("values", sa.String(), nullable=False, server_default="served"),
        sa.Column("window", sa.String(), nullable=False, server_default="1d"),
        sa.Column("every", sa.String(), nullable=False, server_default="1d"),
        sa.Column("false_alarms_per_month", sa.Double(), nullable=False, server_default="0.5"),
        sa.Column("threshold", sa.Double()),
        sa.Column("min_rows", sa.BigInteger(), nullable=False, server_default="200"),
    ]
    for column in added:
        op.add_column("drift_policy", column)
    op.execute("UPDATE drift_policy SET threshold = psi_threshold")
    op.drop_column("drift_policy", "psi_threshold")


def downgrade() -> None:
    raise NotImplementedError("history is never dropped; restore a backup instead")
