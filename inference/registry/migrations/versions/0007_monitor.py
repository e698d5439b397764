"""Monitoring policies state tests, segments and what harm sets off."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    added: list[sa.Column[Any]] = [
        sa.Column("every", sa.String(), nullable=False, server_default="1d"),
        sa.Column("k", sa.Double(), nullable=False, server_default="0.1"),
        sa.Column("segments", sa.JSON(), nullable=False, server_default="[]"),
        sa.Column("gap", sa.Double()),
        sa.Column("alpha", sa.Double(), nullable=False, server_default="0.05"),
        sa.Column("false_alarms_per_month", sa.Double(), nullable=False, server_default="0.5"),
        sa.Column("min_units", sa.BigInteger(), nullable=False, server_default="200"),
        sa.Column("on_harm", sa.String(), nullable=False, server_default="tell"),
        sa.Column("actions_per_day", sa.BigInteger(), nullable=False, server_default="1"),
    ]
    for column in added:
        op.add_column("monitoring_policy", column)


def downgrade() -> None:
    raise NotImplementedError("history is never dropped; restore a backup instead")
