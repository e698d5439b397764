"""Canaries: a challenger that takes over a model's requests by shares, each step one transaction."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from inference.registry import tables
from inference.registry.database import Database
from inference.registry.history import append_event
from inference.registry.records import ConflictError, ModelStatus
from inference.registry.rows import (
    CANDIDATES,
    champion_row,
    model_row,
    require,
    require_judged,
    serving_row,
)

STARTED, GREW = "canary_started", "canary_grew"
"""Kinds of events; a canary ends with those of a promotion or of a rejection."""


@dataclass(frozen=True)
class Canary:
    """A challenger's share of the requests; `began` and, of this step, `since` are ms since the epoch."""

    model_name: str
    version: int
    share: float
    began: int
    since: int


class Canaries:
    """The canaries of all models on a database; `clock` gives ms since the epoch."""

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        self._database = database
        self._clock = clock

    def on(self, model_name: str) -> Canary | None:
        """Give the canary of a model, or None where there is none."""
        with self._database.reading() as session:
            row = session.get(tables.Serving, model_name)
            return None if row is None else _canary(row)

    def begin(
        self,
        model_name: str,
        version: int,
        share: float,
        *,
        by: str,
        why: str,
        evidence: Mapping[str, Any] | None = None,
    ) -> None:
        """Give a version a share of the requests; its trial ends.

        Does nothing where its canary is on. Raises `ConflictError` where there is no champion, the version
        was not judged against it, or another has a share.
        """
        with self._database.writing(model_name) as session:
            row, serving = model_row(session, model_name, version), self._serving(session, model_name)
            champion = champion_row(session, model_name)
            if serving.canary_since is not None and serving.challenger_version == version:
                return
            require(row, "only a staging or challenger version begins a canary", CANDIDATES)
            if champion is None:
                raise ConflictError(
                    f"{model_name}: a canary is compared with the champion; there is none, so version "
                    f"{version} is promoted by hand, and nothing was changed"
                )
            require_judged(row, champion)
            if serving.challenger_version not in (None, version):
                raise ConflictError(
                    f"{model_name}: one challenger has a share at a time; version "
                    f"{serving.challenger_version} has it, so nothing was changed"
                )
            row.status = ModelStatus.CHALLENGER
            serving.shadow_model_version = None
            serving.challenger_version = version
            serving.canary_began = self._step(session, row, serving, STARTED, share, by, why, evidence)

    def grow(
        self,
        canary: Canary,
        share: float,
        *,
        by: str,
        why: str,
        evidence: Mapping[str, Any] | None = None,
    ) -> None:
        """Give a canary, as it was seen, its next share.

        Raises `ConflictError` where it is not as it was: somebody else was first.
        """
        with self._database.writing(canary.model_name) as session:
            serving = self._serving(session, canary.model_name)
            found = _canary(serving)
            if found != canary:
                raise ConflictError(
                    f"{canary.model_name}: a canary grows from the step that was judged; that of version "
                    f"{canary.version} at {canary.share:g} is over (now {found}), so nothing was changed"
                )
            row = model_row(session, canary.model_name, canary.version)
            self._step(session, row, serving, GREW, share, by, why, evidence)

    def _serving(self, session: Session, model_name: str) -> tables.Serving:
        return serving_row(session, model_name, self._clock)

    def _step(
        self,
        session: Session,
        row: tables.Model,
        serving: tables.Serving,
        kind: str,
        share: float,
        by: str,
        why: str,
        evidence: Mapping[str, Any] | None,
    ) -> int:
        serving.challenger_share, serving.canary_since = share, self._clock()
        held = {**(evidence or {}), "share": share}  # of a look the share that it judged is in its words
        at = append_event(session, row, kind, by=by, why=why, at=serving.canary_since, evidence=held)
        serving.canary_since = serving.updated_at = at
        return at


def _canary(row: tables.Serving) -> Canary | None:
    if row.challenger_version is None or row.canary_began is None or row.canary_since is None:
        return None
    return Canary(
        row.model_name, row.challenger_version, row.challenger_share, row.canary_began, row.canary_since
    )
