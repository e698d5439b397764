"""What an event says of its version's experiment, and of how requests are routed after it."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    for column in (
        sa.Column("experiment_id", sa.String()),
        sa.Column("shadow_model_version", sa.BigInteger()),
        sa.Column("challenger_version", sa.BigInteger()),
        sa.Column("challenger_share", sa.Double()),
        sa.Column("canary", sa.Boolean()),
    ):
        op.add_column("model_registry_events", column)


def downgrade() -> None:
    raise NotImplementedError("history is never dropped; restore a backup instead")
