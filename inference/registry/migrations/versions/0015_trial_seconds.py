"""How long each trial of a search took."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.add_column("experiment_trials", sa.Column("seconds", sa.Double()))


def downgrade() -> None:
    raise NotImplementedError("history is never dropped; restore a backup instead")
