"""What has happened to models: appended in one way, read as events, champions and lineage.

`model_registry_events` is the outbox of `registry.events` too.
"""

import json
import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy import JSON, Select, func, select, text
from sqlalchemy.orm import Session

from inference.registry import tables
from inference.registry.database import Database
from inference.registry.records import Lineage, RegistryEvent, Reign, ServingConfig
from inference.registry.rows import routing_of, unknown

_PLAIN = tuple(name for name in RegistryEvent.__dataclass_fields__ if name != "evidence")


class History:
    """The history of all models on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def events(self, model_name: str) -> list[RegistryEvent]:
        """Give all that has happened to a model's versions, oldest first."""
        rows = select(tables.ModelEvent).filter_by(model_name=model_name)
        with self._database.reading() as session:
            return [event_of(row) for row in session.scalars(rows.order_by(tables.ModelEvent.position))]

    def champions(self, model_name: str) -> list[Reign]:
        """Give who was champion when, and why, oldest first: the rows of the view `champions`."""
        names = ", ".join(f'"{name}"' for name in Reign.__dataclass_fields__)
        sql = text(f"SELECT {names} FROM champions WHERE model_name = :name ORDER BY position")  # noqa: S608
        with self._database.reading() as session:
            found = session.execute(sql.columns(evidence=JSON), {"name": model_name}).mappings()
            return [Reign(**row) for row in found]

    def lineage(self, model_name: str, version: int) -> Lineage:
        """Give where a version comes from, by the view `model_lineage`; raises `UnknownModelError`."""
        names = ", ".join(Lineage.__dataclass_fields__)
        sql = text(f"SELECT {names} FROM model_lineage WHERE model_name = :name AND version = :version")  # noqa: S608
        typed = sql.columns(feature_group_versions=JSON, environment=JSON)
        with self._database.reading() as session:
            row = session.execute(typed, {"name": model_name, "version": version}).mappings().first()
            if row is None:
                raise unknown(session, model_name, version)
        return Lineage(**row)


def append_event(
    session: Session,
    row: tables.Model,
    kind: str,
    *,
    by: str,
    why: str,
    at: int,
    evidence: Mapping[str, Any] | None = None,
) -> int:
    """Append what happened to a model version at `at` (ms since the epoch), and give the time it has.

    That is `at`, or the time of the model's event before where the clock has gone back since: a model's
    history is in order of time too. The routing that it tells of is the one that the session has by now.
    """
    last = session.scalar(select(func.max(tables.ModelEvent.at)).filter_by(model_name=row.model_name))
    at = max(at, last or 0)
    serving = session.get(tables.Serving, row.model_name)
    routed = ServingConfig(row.model_name) if serving is None else routing_of(serving)
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
            evidence=None if evidence is None else dict(evidence),
            experiment_id=row.experiment_id,
            shadow_model_version=routed.shadow_model_version,
            challenger_version=routed.challenger_version,
            challenger_share=routed.challenger_share,
            canary=routed.canary,
        )
    )
    session.flush()
    return at


def event_of(row: tables.ModelEvent) -> RegistryEvent:
    """Give what a row says, as the log has it."""
    evidence = None if row.evidence is None else json.dumps(row.evidence)
    return RegistryEvent(**{name: getattr(row, name) for name in _PLAIN}, evidence=evidence)


def last_champion(model_name: str) -> Select[int]:
    """Select the version that was made champion last."""
    crowned = tables.ModelEvent.kind.in_(("promoted", "rolled_back"))
    events = select(tables.ModelEvent.version).filter_by(model_name=model_name).where(crowned)
    return events.order_by(tables.ModelEvent.position.desc()).limit(1)
