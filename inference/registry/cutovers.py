"""Cut-overs of feature groups, each in one transaction with the events of the models that it moves."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from features.cutover import CutoverError, Routes, reroute
from features.plan import Feature
from features.types import DataType
from features.vector import ModelPlan, VectorGroup
from inference.registry import tables
from inference.registry.database import Database
from inference.registry.history import append_event
from inference.registry.records import ConflictError, ModelStatus

CUT_OVER, ROLLED_BACK = "features_cut_over", "features_rolled_back"
"""Kinds of events: of a model that reads another version of a group from now on."""


@dataclass(frozen=True)
class Cutover:
    """A step: where signatures name `version` of `group`, `target` is read; None is the signed one itself.

    `at` is in ms since the epoch.
    """

    group: str
    version: int
    kind: str
    target: VectorGroup | None
    by: str
    why: str
    at: int


class Cutovers:
    """The history of cut-overs and what holds by it; `clock` gives ms since the epoch."""

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        self._database = database
        self._clock = clock

    def routes(self) -> Routes:
        """Give the version that is read instead, by group and signed version."""
        with self._database.reading() as session:
            return routes_of(session)

    def history(self, group: str) -> list[Cutover]:
        """Give all steps of a group, oldest first."""
        with self._database.reading() as session:
            return [step for step in _steps(session) if step.group == group]

    def cut_over(self, version: int, target: VectorGroup, *, by: str, why: str) -> None:
        """Let `target` be read wherever a signature names `version` of its group.

        Does nothing where it holds already. Raises `ConflictError` where a registered model, unless it was
        rejected, reads a feature that the target does not have with the same type, or another entity.
        """
        with self._database.writing("feature_cutovers") as session:
            key = (target.group, version)
            if routes_of(session).get(key) == target:
                return
            for row in session.scalars(select(tables.Model)):
                if row.status != ModelStatus.REJECTED and _signs(row, *key):
                    try:
                        reroute(ModelPlan.from_dict(row.signature), {key: target})
                    except CutoverError as error:
                        raise ConflictError(f"version {row.version}: {error}; nothing was changed") from error
            self._append(session, Cutover(*key, CUT_OVER, target, by, why, self._clock()))

    def roll_back(self, group: str, *, by: str, why: str) -> Cutover:
        """Take back the group's last cut-over that still holds, and give the step that did.

        Raises `ConflictError` where there is none.
        """
        with self._database.writing("feature_cutovers") as session:
            held = _held([step for step in _steps(session) if step.group == group])
            if not held:
                raise ConflictError(
                    f"{group}: a rollback needs a cut-over that holds; every version is read as signed, so "
                    "nothing was changed"
                )
            version = held.pop().version
            before = _routes(held).get((group, version))
            step = Cutover(group, version, ROLLED_BACK, before, by, why, self._clock())
            self._append(session, step)
            return step

    def _append(self, session: Session, step: Cutover) -> None:
        session.add(
            tables.FeatureCutover(
                group_name=step.group,
                version=step.version,
                kind=step.kind,
                reads=step.version if step.target is None else step.target.version,
                target=None if step.target is None else asdict(step.target),
                by=step.by,
                why=step.why,
                at=step.at,
            )
        )
        # What an event says of its model holds until the end of the transaction: nobody promotes meanwhile.
        for name in session.scalars(
            select(tables.Model.model_name).distinct().order_by(tables.Model.model_name)
        ):
            self._database.lock(session.connection(), name)
        session.flush()
        session.expire_all()
        serving = {row.model_name: row for row in session.scalars(select(tables.Serving))}
        for row in session.scalars(select(tables.Model)):
            if _serves(row, serving.get(row.model_name)) and _signs(row, step.group, step.version):
                append_event(session, row, step.kind, by=step.by, why=step.why, at=step.at)


def routes_of(session: Session) -> Routes:
    """Give the version that is read instead, by group and signed version, inside a transaction."""
    return _routes(_steps(session))


def _serves(row: tables.Model, serving: tables.Serving | None) -> bool:
    trials = () if serving is None else (serving.challenger_version, serving.shadow_model_version)
    return row.status == ModelStatus.CHAMPION or row.version in trials


def _signs(row: tables.Model, group: str, version: int) -> bool:
    groups = row.signature.get("groups", ())
    return any((g["group"], g["version"]) == (group, version) for g in groups)


def _steps(session: Session) -> list[Cutover]:
    rows = session.scalars(select(tables.FeatureCutover).order_by(tables.FeatureCutover.position))
    return [Cutover(r.group_name, r.version, r.kind, _target(r.target), r.by, r.why, r.at) for r in rows]


def _target(data: dict[str, Any] | None) -> VectorGroup | None:
    if data is None:
        return None
    features = tuple(Feature(f["name"], DataType(f["type"])) for f in data["features"])
    defaults = tuple((name, value) for name, value in data.get("defaults", ()))
    return VectorGroup(**(data | {"features": features, "positions": (), "defaults": defaults, "frozen": ()}))


def _held(steps: Iterable[Cutover]) -> list[Cutover]:
    """Give the cut-overs that hold, oldest first: each rollback has taken back the last one of its group."""
    held: list[Cutover] = []
    for step in steps:
        if step.kind == CUT_OVER:
            held.append(step)
        else:
            held.remove(next(s for s in reversed(held) if s.group == step.group))
    return held


def _routes(steps: Iterable[Cutover]) -> Routes:
    return {(s.group, s.version): s.target for s in _held(steps) if s.target is not None}
