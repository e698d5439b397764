"""Gate policies state the metric of the improvement."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.add_column("gate_policy", sa.Column("metric", sa.String(), nullable=False, server_default="auc"))


def downgrade() -> None:
    raise NotImplementedError("history is never dropped; restore a backup instead")
