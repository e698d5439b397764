"""Rows of models and of their routing, inside a transaction that somebody else has opened."""

from collections.abc import Callable, Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from inference.registry import tables
from inference.registry.records import (
    ConflictError,
    ModelStatus,
    ModelVersion,
    ServingConfig,
    UnknownModelError,
)

CANDIDATES = (ModelStatus.STAGING, ModelStatus.CHALLENGER)
"""The statuses of a version that is not yet judged."""
_VERSION_FIELDS = tuple(f for f in ModelVersion.__dataclass_fields__ if f != "status")


def model_row(session: Session, model_name: str, version: int) -> tables.Model:
    """Give the row of a version; raises `UnknownModelError`."""
    row = session.get(tables.Model, (model_name, version))
    if row is None:
        raise unknown(session, model_name, version)
    return row


def unknown(session: Session, model_name: str, version: int | None = None) -> UnknownModelError:
    """Give the error that tells what there is in the place of what is not."""
    latest = select(func.max(tables.Model.version)).filter_by(model_name=model_name)
    return UnknownModelError(model_name, version, session.scalar(latest) or 0)


def champion_row(session: Session, model_name: str) -> tables.Model | None:
    """Give the row of the version that serves, if there is one."""
    return session.scalar(
        select(tables.Model).filter_by(model_name=model_name, status=ModelStatus.CHAMPION.value)
    )


def serving_row(session: Session, model_name: str, clock: Callable[[], int]) -> tables.Serving:
    """Give the row of a model's routing, made anew where there is none."""
    row = session.get(tables.Serving, model_name)
    if row is None:
        row = tables.Serving(model_name=model_name, challenger_share=0.0, updated_at=clock())
        session.add(row)
    return row


def routing_of(row: tables.Serving) -> ServingConfig:
    """Give what a row says of a model's routing."""
    return ServingConfig(
        row.model_name,
        row.challenger_version,
        row.challenger_share,
        row.shadow_model_version,
        canary=row.canary_since is not None,
    )


def route(row: tables.Serving, config: ServingConfig, clock: Callable[[], int]) -> None:
    """Change a model's routing."""
    row.challenger_version = config.challenger_version
    row.challenger_share = config.challenger_share
    row.shadow_model_version = config.shadow_model_version
    row.updated_at = clock()


def moved(before: ServingConfig, after: ServingConfig) -> int:
    """Give the version whose part of the requests is another one after a change of routing."""
    parts = [(config.challenger_version, config.challenger_share) for config in (after, before)]
    if parts[0] == parts[1]:
        parts = [(config.shadow_model_version, 1.0) for config in (after, before)]
    return next(version for version, _ in parts if version is not None)


def clear_trial(
    session: Session, model_name: str, clock: Callable[[], int], version: int | None = None
) -> None:
    """Take the challenger and the shadow, or only a version where it is either, out of the routing."""
    row = serving_row(session, model_name, clock)
    if version is None or row.shadow_model_version == version:
        row.shadow_model_version = None
    if version is None or row.challenger_version == version:
        row.challenger_version = None
        row.challenger_share = 0.0
        row.canary_began = row.canary_since = None
    row.updated_at = clock()


def require_no_canary(row: tables.Serving, what: str) -> None:
    """Raise `ConflictError` while a canary has a share of the requests."""
    if row.canary_since is not None:
        raise ConflictError(
            f"{row.model_name}: {what} while no canary is on, or its answers would mean something else; "
            f"version {row.challenger_version} has a share of {row.challenger_share:g}, so nothing was "
            "changed: promote it or reject it first"
        )


def require(row: tables.Model, rule: str, allowed: Sequence[ModelStatus]) -> None:
    """Raise `ConflictError` unless a version has one of the statuses that a rule allows."""
    if row.status not in allowed:
        raise ConflictError(
            f"{row.model_name}: {rule}; version {row.version} is {row.status}, so nothing was changed"
        )


def require_judged(row: tables.Model, champion: tables.Model | None) -> None:
    """Raise `ConflictError` unless a version was judged against the champion of now."""
    present = None if champion is None else champion.version
    if row.judged_against != present:
        judged = "no champion" if row.judged_against is None else f"version {row.judged_against}"
        raise ConflictError(
            f"{row.model_name}: a version is promoted over the champion that it was judged against; "
            f"version {row.version} was judged against {judged}, but the champion is {present}, so it "
            "needs a (new) trial"
        )


def version_of(row: tables.Model) -> ModelVersion:
    """Give what a row says of a version."""
    return ModelVersion(
        status=ModelStatus(row.status), **{name: getattr(row, name) for name in _VERSION_FIELDS}
    )
