"""Monitoring policies state what harm sets off that is estimated alone."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.add_column(
        "monitoring_policy", sa.Column("on_estimated", sa.String(), nullable=False, server_default="tell")
    )


def downgrade() -> None:
    raise NotImplementedError("history is never dropped; restore a backup instead")
