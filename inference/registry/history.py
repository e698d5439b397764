"""The one way to append to `model_registry_events`, which is the outbox of `registry.events` too."""

import uuid

from sqlalchemy.orm import Session

from inference.registry import tables


def append_event(session: Session, row: tables.Model, kind: str, *, by: str, why: str, at: int) -> None:
    """Append what happened to a model version, at `at` (ms since the epoch)."""
    session.add(
        tables.ModelEvent(
            event_id=uuid.uuid4().hex,
            model_name=row.model_name,
            version=row.version,
            kind=kind,
            status=row.status,
            by=by,
            why=why,
            at=at,
            sha256=row.sha256,
            artifact_uri=row.artifact_uri,
        )
    )
    session.flush()
