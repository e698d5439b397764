"""Frozen features: which a model has at their defaults, each step in one transaction with its event."""

from collections.abc import Callable

from sqlalchemy import JSON, select, text
from sqlalchemy.orm import Session

from features.cutover import reroute
from features.freezing import FreezeError, Frozen, frozen_value
from features.types import Value
from features.vector import ModelPlan
from inference.registry import tables
from inference.registry.cutovers import routes_of
from inference.registry.database import Database
from inference.registry.history import append_event
from inference.registry.records import ConflictError, Freeze
from inference.registry.rows import champion_row, model_row

FROZEN, THAWED = "feature_frozen", "feature_thawed"
"""Kinds of events: of the champion of the moment, for all versions of its model."""
_COLUMNS = ", ".join(f'"{name}"' for name in Freeze.__dataclass_fields__)
_PERIODS = f"SELECT {_COLUMNS} FROM frozen_features"  # noqa: S608


class Freezes:
    """The frozen features of all models on a database; `clock` gives ms since the epoch."""

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        self._database = database
        self._clock = clock

    def frozen(self) -> Frozen:
        """Give what is frozen now, by model."""
        found: dict[str, set[str]] = {}
        for period in self._periods(f"{_PERIODS} WHERE until IS NULL"):
            found.setdefault(period.model_name, set()).add(period.feature)
        return found

    def history(self) -> list[Freeze]:
        """Give what was frozen when, and why, oldest first: the rows of the view `frozen_features`."""
        return self._periods(f"{_PERIODS} ORDER BY position")

    def freeze(
        self, model_name: str, feature: str, *, by: str, why: str, alert_id: str | None = None
    ) -> bool:
        """Let all versions of a model have a feature at its default; False where that holds already.

        Raises `ConflictError` where the model has no champion, or that does not read the feature from a group
        which states a default for it.
        """
        with self._database.writing(model_name) as session:
            if _held(session, model_name, feature) is not None:
                return False
            champion = champion_row(session, model_name)
            if champion is None:
                raise ConflictError(
                    f"{model_name}: a feature is frozen for a model that answers; it has no champion, so "
                    f"nothing was changed (asked for {feature})"
                )
            plan = reroute(ModelPlan.from_dict(champion.signature), routes_of(session))
            try:
                value = frozen_value(plan, feature)
            except FreezeError as error:
                raise ConflictError(f"{model_name}: {error}; nothing was changed") from error
            self._append(session, champion, FROZEN, feature, value, by, why, alert_id)
            return True

    def thaw(self, model_name: str, feature: str, *, by: str, why: str) -> bool:
        """Let a model have a feature as its rows have it; False where it is not frozen."""
        with self._database.writing(model_name) as session:
            held = _held(session, model_name, feature)
            if held is None:
                return False
            champion = champion_row(session, model_name) or model_row(session, model_name, held.version)
            self._append(session, champion, THAWED, feature, None, by, why, held.alert_id)
            return True

    def _append(
        self,
        session: Session,
        row: tables.Model,
        kind: str,
        feature: str,
        value: Value,
        by: str,
        why: str,
        alert_id: str | None,
    ) -> None:
        told = {"feature": feature, "value": value, "alert_id": alert_id}
        at = append_event(session, row, kind, by=by, why=why, at=self._clock(), evidence=told)
        step = {"model_name": row.model_name, "version": row.version, "kind": kind}
        session.add(tables.FeatureFreeze(**step, **told, by=by, why=why, at=at))

    def _periods(self, sql: str) -> list[Freeze]:
        with self._database.reading() as session:
            found = session.execute(text(sql).columns(value=JSON)).mappings()
            return [Freeze(**period) for period in found]


def _held(session: Session, model_name: str, feature: str) -> tables.FeatureFreeze | None:
    """Give the step that froze a feature, where it is frozen."""
    steps = select(tables.FeatureFreeze).filter_by(model_name=model_name, feature=feature)
    last = session.scalar(steps.order_by(tables.FeatureFreeze.position.desc()).limit(1))
    return None if last is None or last.kind == THAWED else last
