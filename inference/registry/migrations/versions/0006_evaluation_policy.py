"""Evaluation policies state metrics, methods, guards and segments."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    added: list[sa.Column[Any]] = [
        sa.Column("metric", sa.String(), nullable=False, server_default="accuracy"),
        sa.Column("minimum_improvement", sa.Double(), nullable=False, server_default="0"),
        sa.Column("method", sa.String(), nullable=False, server_default="e-process"),
        sa.Column("mode", sa.String(), nullable=False, server_default="shadow"),
        sa.Column("share", sa.Double(), nullable=False, server_default="0.05"),
        sa.Column("horizon", sa.String()),
        sa.Column("guards", sa.JSON(), nullable=False, server_default="[]"),
        sa.Column("segments", sa.JSON(), nullable=False, server_default="[]"),
        sa.Column("segment_margin", sa.Double(), nullable=False, server_default="0.01"),
        sa.Column("block", sa.BigInteger(), nullable=False, server_default="100"),
        sa.Column("k", sa.BigInteger(), nullable=False, server_default="10"),
        sa.Column("value", sa.String()),
        sa.Column("value_range", sa.JSON()),
        sa.Column("sprt", sa.JSON()),
    ]
    for column in added:
        op.add_column("evaluation_policy", column)


def downgrade() -> None:
    raise NotImplementedError("history is never dropped; restore a backup instead")
