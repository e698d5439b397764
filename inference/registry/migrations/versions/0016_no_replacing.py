"""What is kept as it was written is not replaced either: SQLite's REPLACE deletes past the triggers."""

from alembic import op

revision = "0016"
down_revision = "0015"

KEYS = {
    "experiments": "experiment_id = NEW.experiment_id",
    "experiment_trials": "experiment_id = NEW.experiment_id AND trial = NEW.trial",
    "model_registry_events": "position = NEW.position OR event_id = NEW.event_id",
    "model_gate_results": "position = NEW.position",
    "feature_cutovers": "position = NEW.position",
    "feature_freezes": "position = NEW.position",
}
RULE = "% is append-only: a row stays as it was written; record a new one instead"


def upgrade() -> None:
    if op.get_bind().dialect.name != "sqlite":  # PostgreSQL has no REPLACE, and an upsert is an update
        return
    for table, same in KEYS.items():
        held = f"EXISTS (SELECT 1 FROM {table} WHERE {same})"  # noqa: S608
        op.execute(
            f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} WHEN {held} "
            f"BEGIN SELECT RAISE(ABORT, '{RULE.replace('%', table)}'); END"
        )


def downgrade() -> None:
    raise NotImplementedError("history is never dropped; restore a backup instead")
