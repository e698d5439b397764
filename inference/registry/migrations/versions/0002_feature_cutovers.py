"""The history of cut-overs of feature groups, kept as it was written."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

RULE = "feature_cutovers is append-only: a row stays as it was written; record a new one instead"


def upgrade() -> None:
    op.create_table(
        "feature_cutovers",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
        sa.Column("group_name", sa.String(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("reads", sa.BigInteger(), nullable=False),
        sa.Column("target", sa.JSON(none_as_null=True)),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sqlite_autoincrement=True,
    )
    if op.get_bind().dialect.name == "sqlite":
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER feature_cutovers_no_{change.lower()} BEFORE {change} ON feature_cutovers "
                f"BEGIN SELECT RAISE(ABORT, '{RULE}'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION feature_cutovers_kept() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{RULE}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER feature_cutovers_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON feature_cutovers "
        "EXECUTE FUNCTION feature_cutovers_kept()"
    )


def downgrade() -> None:
    raise NotImplementedError("history is never dropped; restore a backup instead")
