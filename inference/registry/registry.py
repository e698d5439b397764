"""The registry of models: who may become what, in one transaction each."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from inference.registry import tables
from inference.registry.actions import Actions
from inference.registry.canaries import Canaries
from inference.registry.cutovers import Cutovers
from inference.registry.database import Database
from inference.registry.experiments import Experiments
from inference.registry.freezes import Freezes
from inference.registry.gates import Gates
from inference.registry.history import History, append_event, event_of, last_champion
from inference.registry.policies import Policies
from inference.registry.records import (
    ConflictError,
    ModelStatus,
    ModelVersion,
    RegistryEvent,
    ServingConfig,
    TrainingConfig,
)
from inference.registry.rows import (
    CANDIDATES,
    champion_row,
    clear_trial,
    model_row,
    moved,
    require,
    require_judged,
    require_no_canary,
    route,
    routing_of,
    serving_row,
    unknown,
    version_of,
)


class Registry:
    """Models and their versions, on the database at `url`; `clock` gives milliseconds since the epoch.

    Every change of a status is one transaction together with its event. Changes that already hold
    (promoting the champion, rejecting the rejected) do nothing, so that a flow can be run again.
    """

    def __init__(self, url: str, clock: Callable[[], int]) -> None:
        self._database = Database(url)
        self._clock = clock
        self.actions = Actions(self._database, clock)
        self.canaries = Canaries(self._database, clock)
        self.cutovers = Cutovers(self._database, clock)
        self.experiments = Experiments(self._database, clock)
        self.freezes = Freezes(self._database, clock)
        self.history = History(self._database)
        self.gates = Gates(self._database, clock)
        self.policies = Policies(self._database, clock)

    def migrate(self) -> None:
        """Create or upgrade the tables."""
        self._database.migrate()

    def close(self) -> None:
        """Close the connections."""
        self._database.engine.dispose()

    @contextmanager
    def rehearsing(self) -> Iterator[None]:
        """Let changes inside raise what they would raise, and give what they would give, and change nothing.

        Each is taken back by itself, so one does not see those before it. Those of other threads stand.
        """
        with self._database.rehearsing():
            yield

    # -- trainings ----------------------------------------------------------------------------

    def training_config(self, model_name: str) -> TrainingConfig | None:
        """Give what the next training starts from, or None before any tuning."""
        with self._database.reading() as session:
            row = session.get(tables.TrainingConfig, model_name)
            return None if row is None else TrainingConfig(row.hyperparameters, row.provenance)

    def set_training_config(
        self, model_name: str, hyperparameters: Mapping[str, Any], provenance: Mapping[str, Any]
    ) -> None:
        """Keep `hyperparameters` for the next training, with where they come from."""
        with self._database.writing(model_name) as session:
            session.merge(
                tables.TrainingConfig(
                    model_name=model_name,
                    hyperparameters=dict(hyperparameters),
                    provenance=dict(provenance),
                    updated_at=self._clock(),
                )
            )

    # -- versions ------------------------------------------------------------------------------

    def models(self) -> list[str]:
        """Give the names of all registered models, sorted."""
        with self._database.reading() as session:
            names = select(tables.Model.model_name).distinct().order_by(tables.Model.model_name)
            return list(session.scalars(names))

    def versions(self, model_name: str) -> list[ModelVersion]:
        """Give all versions of a model, oldest first; none where the name is not known."""
        with self._database.reading() as session:
            rows = select(tables.Model).filter_by(model_name=model_name).order_by(tables.Model.version)
            return [version_of(row) for row in session.scalars(rows)]

    def get(self, model_name: str, version: int) -> ModelVersion:
        """Give one version; raises `UnknownModelError`."""
        with self._database.reading() as session:
            return version_of(model_row(session, model_name, version))

    def champion(self, model_name: str) -> ModelVersion | None:
        """Give the version that serves, or None before the first promotion."""
        with self._database.reading() as session:
            row = champion_row(session, model_name)
            return None if row is None else version_of(row)

    def replaced(self, model_name: str, version: int) -> int | None:
        """Give the champion that a version replaced, if there was one; raises `UnknownModelError`."""
        with self._database.reading() as session:
            return model_row(session, model_name, version).replaced

    def register(
        self,
        model_name: str,
        *,
        artifact_uri: str,
        sha256: str,
        framework: str,
        serving_flavour: str,
        signature: Mapping[str, Any],
        experiment_id: str,
        by: str,
        why: str,
    ) -> ModelVersion:
        """Register the model of an experiment as the next version, in `staging`.

        An experiment has one model: registered again, the version it already has is given back.
        """
        with self._database.writing(model_name) as session:
            known = select(tables.Model).filter_by(model_name=model_name, experiment_id=experiment_id)
            row = session.scalar(known)
            if row is None:
                latest = select(func.max(tables.Model.version)).filter_by(model_name=model_name)
                row = tables.Model(
                    model_name=model_name,
                    version=(session.scalar(latest) or 0) + 1,
                    status=ModelStatus.STAGING,
                    artifact_uri=artifact_uri,
                    sha256=sha256,
                    framework=framework,
                    serving_flavour=serving_flavour,
                    signature=dict(signature),
                    experiment_id=experiment_id,
                    created_at=self._clock(),
                )
                session.add(row)
                session.flush()
                self._record(session, row, "registered", by, why)
            return version_of(row)

    def start_trial(
        self,
        model_name: str,
        version: int,
        *,
        by: str,
        why: str,
        share: float | None = None,
        evidence: Mapping[str, Any] | None = None,
    ) -> None:
        """Make a version the challenger of today's champion: its shadow, or with a `share` of the entities.

        A challenger whose champion has gone meanwhile starts anew against the present one. Raises
        `ConflictError` where another trial or a canary is on, or the version was rejected, retired or serves,
        and `ValueError` for a share that is not above 0 and at most 1.
        """
        if share is not None and not 0.0 < share <= 1.0:
            raise ValueError(
                f"{model_name}: a challenger on trial has a share above 0 and at most 1; there would be "
                f"nothing to judge with {share}"
            )
        routed = (
            ServingConfig(model_name, shadow_model_version=version)
            if share is None
            else ServingConfig(model_name, version, share)
        )
        with self._database.writing(model_name) as session:
            row = model_row(session, model_name, version)
            champion = champion_row(session, model_name)
            against = None if champion is None else champion.version
            serving = serving_row(session, model_name, self._clock)
            before = routing_of(serving)
            if row.status == ModelStatus.CHALLENGER and before == routed and row.judged_against == against:
                return
            if before.on_trial not in (None, version):
                raise ConflictError(
                    f"{model_name}: one trial runs at a time, or its units would be split; version {version} "
                    f"cannot start while version {before.on_trial} is on trial"
                )
            require_no_canary(serving, "a trial starts")
            require(row, "only a staging or challenger version goes on trial", CANDIDATES)
            row.status = ModelStatus.CHALLENGER
            row.judged_against = against
            route(serving, routed, self._clock)
            self._record(session, row, "trial_started", by, why, evidence)

    def promote(
        self,
        model_name: str,
        version: int,
        *,
        by: str,
        why: str,
        evidence: Mapping[str, Any] | None = None,
    ) -> None:
        """Make a version the champion and retire the old one, in one transaction; ends its trial.

        The first champion may come straight from staging; after it, only a challenger is promoted, and
        only over the champion that its trial compared it with. `evidence` are the figures that it was
        decided by. Raises `ConflictError` otherwise: then somebody else has promoted first, and the
        judgement no longer holds.
        """
        with self._database.writing(model_name) as session:
            row = model_row(session, model_name, version)
            old = champion_row(session, model_name)
            if row.status == ModelStatus.CHAMPION:
                return
            require(row, "only a staging or challenger version is promoted", CANDIDATES)
            require_judged(row, old)
            at = None if old is None else self._clock()
            clear_trial(session, model_name, self._clock)
            if old is not None:
                at = self._retire(session, old, by, f"version {version} was promoted: {why}", at)
            row.status = ModelStatus.CHAMPION
            row.replaced = None if old is None else old.version
            self._record(session, row, "promoted", by, why, evidence, at)

    def reject(
        self,
        model_name: str,
        version: int,
        *,
        by: str,
        why: str,
        evidence: Mapping[str, Any] | None = None,
    ) -> None:
        """Turn a staging or challenger version down for good, and end its trial."""
        with self._database.writing(model_name) as session:
            row = model_row(session, model_name, version)
            if row.status == ModelStatus.REJECTED:
                return
            require(row, "only a staging or challenger version is rejected", CANDIDATES)
            row.status = ModelStatus.REJECTED
            clear_trial(session, model_name, self._clock, version)
            self._record(session, row, "rejected", by, why, evidence)

    def retire(self, model_name: str, version: int, *, by: str, why: str) -> None:
        """Take a version out of use without judging it, and end its trial.

        A champion that is retired leaves no other: its model answers nothing until a version is promoted,
        or it is brought back by `rollback`. Raises `ConflictError` for a rejected version.
        """
        with self._database.writing(model_name) as session:
            row = model_row(session, model_name, version)
            if row.status == ModelStatus.RETIRED:
                return
            require(row, "a rejected version stays rejected", (*CANDIDATES, ModelStatus.CHAMPION))
            served = row.status == ModelStatus.CHAMPION  # what is on trial was compared with it
            clear_trial(session, model_name, self._clock, None if served else version)
            self._retire(session, row, by, why)

    def rollback(self, model_name: str, *, by: str, why: str, of: int | None = None) -> ModelVersion:
        """Bring back the champion that the present one replaced, and end any trial.

        Where the champion was retired without a successor it is that one which comes back. Raises
        `ConflictError` where there is none to come back to, or another than `of` is champion meanwhile.
        """
        with self._database.writing(model_name) as session:
            current = champion_row(session, model_name)
            if of is not None and (current is None or current.version != of):
                raise ConflictError(
                    f"{model_name}: version {of} is rolled back while it is champion; "
                    f"{_champion(current)} now, so nothing was changed"
                )
            latest = select(func.max(tables.Model.version)).filter_by(model_name=model_name)
            back = session.scalar(last_champion(model_name)) if current is None else current.replaced
            if back is None:
                if current is None and not session.scalar(latest):
                    raise unknown(session, model_name)
                raise ConflictError(
                    f"{model_name}: a rollback needs a champion that replaced another; {_champion(current)}, "
                    "so nothing was changed"
                )
            previous = model_row(session, model_name, back)
            at = None if current is None else self._clock()
            clear_trial(session, model_name, self._clock)
            if current is not None:
                said = f"rolled back to version {previous.version}: {why}"
                at = self._retire(session, current, by, said, at)
            previous.status = ModelStatus.CHAMPION
            self._record(session, previous, "rolled_back", by, why, at=at)
            return version_of(previous)

    # -- serving ------------------------------------------------------------------

    def serving_config(self, model_name: str) -> ServingConfig:
        """Give how requests for a model are routed."""
        with self._database.reading() as session:
            row = session.get(tables.Serving, model_name)
            return ServingConfig(model_name) if row is None else routing_of(row)

    def set_serving_config(self, config: ServingConfig, *, by: str, why: str) -> None:
        """Route requests by `config`, with an event `routed` of the version that gains or loses them.

        Raises `UnknownModelError`, `ValueError` (a share outside 0..1, nobody's, or a canary's) and, during a
        canary, `ConflictError`.
        """
        if not 0.0 <= config.challenger_share <= 1.0:
            raise ValueError(
                f"{config.model_name}: a challenger's share is between 0 and 1; requests could not be split "
                f"by {config.challenger_share}"
            )
        if config.canary:
            raise ValueError(
                f"{config.model_name}: a canary begins by `canaries.begin`, which keeps its steps; a share "
                f"by hand is none (found one for version {config.challenger_version})"
            )
        if config.challenger_share and config.challenger_version is None:
            raise ValueError(
                f"{config.model_name}: a share is a challenger's; nobody would answer "
                f"{config.challenger_share:g} of the requests"
            )
        with self._database.writing(config.model_name) as session:
            for version in (config.challenger_version, config.shadow_model_version):
                if version is not None:
                    model_row(session, config.model_name, version)
            row = serving_row(session, config.model_name, self._clock)
            require_no_canary(row, "requests are routed by hand")
            before = routing_of(row)
            if before == config:
                return
            route(row, config, self._clock)
            of = model_row(session, config.model_name, moved(before, config))
            self._record(session, of, "routed", by, why)

    # -- events --------------------------------------------------------------------------------

    def unpublished_events(self, limit: int = 100) -> list[RegistryEvent]:
        """Give the oldest events that are not marked as published."""
        published = select(tables.PublishedEvent.event_id)
        rows = select(tables.ModelEvent).where(tables.ModelEvent.event_id.not_in(published))
        with self._database.reading() as session:
            found = session.scalars(rows.order_by(tables.ModelEvent.position).limit(limit))
            return [event_of(row) for row in found]

    def mark_published(self, ids: Sequence[str]) -> None:
        """Note that the log holds these events."""
        with self._database.writing("published") as session:
            for event_id in ids:
                session.merge(tables.PublishedEvent(event_id=event_id, published_at=self._clock()))

    # -- parts of a transaction ----------------------------------------------------------------

    def _record(
        self,
        session: Session,
        row: tables.Model,
        kind: str,
        by: str,
        why: str,
        evidence: Mapping[str, Any] | None = None,
        at: int | None = None,
    ) -> int:
        at = self._clock() if at is None else at
        return append_event(session, row, kind, by=by, why=why, at=at, evidence=evidence)

    def _retire(self, session: Session, row: tables.Model, by: str, why: str, at: int | None = None) -> int:
        """Retire a version and give the moment, at which its successor begins."""
        row.status = ModelStatus.RETIRED
        session.flush()  # before its successor, for the index allows one champion
        return self._record(session, row, "retired", by, why, at=at)


def _champion(row: tables.Model | None) -> str:
    return "the model has no champion" if row is None else f"version {row.version} is champion"
