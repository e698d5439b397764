"""The one path from requests to results, for both doors and for the shadow.

This is the hot module: what it does for a batch is one multi-get, one NumPy view of the rows, one run of each
model. Nothing on the way is looked up by name that a model's `VectorReader` could compile to a position.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from math import isfinite
from time import perf_counter
from typing import NamedTuple

import numpy as np

from features.layout import LayoutMismatchError
from inference.jobs import CHAMPION, PINNED, SHADOW, Job, accept, job_for
from inference.models import UNLOADABLE, LoadedModel, Models, OutageError
from inference.records import Explanation, FeatureValues, Latency, Request, RequestError, Result, loggable
from inference.routing import deduplication_key
from inference.runtime import Matrix
from inference.store import Rows

_LOG = logging.getLogger(__name__)


class Answer(NamedTuple):
    """A result; what was wrong where it is an error (`RequestError.kind`); the job of a valid request."""

    result: Result
    problem: str | None
    job: Job | None


class _Part(NamedTuple):
    """Jobs of one model, and their vectors (n, width): the stored part at first, then whole."""

    model: LoadedModel
    jobs: list[Job]
    vectors: Matrix


class Predictor:
    """Answers batches of requests: one multi-get, one run of each model.

    Freshness is judged, and the request's time logged, by `clock` (ms since the epoch); with `replay` by
    the request's own `requested_at` where it has one.
    """

    def __init__(self, models: Models, rows: Rows, clock: Callable[[], int], replay: bool = False) -> None:
        self._models = models
        self._rows = rows
        self._clock = clock
        self._replay = replay

    def predict(
        self, requests: Sequence[Request], door: str, received: Sequence[int] | None = None
    ) -> list[Answer]:
        """Answer each request, in order; a request that is wrong gets a result with an error.

        `received` tells when each came (ms since the epoch), from where its `timeout_ms` counts. The
        latencies are the batch's. Raises `redis.RedisError` and `OutageError` in an outage of a store.
        """
        started = perf_counter()
        now = self._clock()
        serving = self._models.serving()  # one for all: a swap leaves no call with answers of both sides
        accepted: list[Job | RequestError] = []
        for place, request in enumerate(requests):
            try:
                if request.timeout_ms is not None and received is not None:
                    _in_time(request.timeout_ms, now - received[place])
                accepted.append(accept(request, self._time(request, now), serving, self._models))
            except OutageError:  # the whole batch waits
                raise
            except Exception as error:  # whatever is wrong with it, the others of its batch are answered
                accepted.append(_reason(error, request))
        latency = self._score([job for job in accepted if isinstance(job, Job)], started)
        predicted_at = self._clock()
        return [
            self._answer(job, door, latency, predicted_at)
            if isinstance(job, Job)
            else Answer(self._refusal(request, self._time(request, now), door, job), job.kind, None)
            for request, job in zip(requests, accepted, strict=True)
        ]

    def shadow(self, answers: Sequence[Answer]) -> list[Result]:
        """Put the champion's requests to the shadow model too, for the log alone.

        The vector is the champion's own where both models have the same contract, else read anew.
        """
        results, jobs = [], []
        for answer in answers:
            champion = answer.job
            if champion is None or champion.shadow is None or champion.error is not None:
                continue
            request, at, door = champion.request, champion.requested_at, answer.result.door
            try:
                job = job_for(request, at, champion.shadow, SHADOW, champion.entities)
            except Exception as error:  # as in `predict`
                results.append(self._refusal(request, at, door, _reason(error, request), champion.shadow))
                continue
            if champion.model.plan == job.model.plan:
                job.vector, job.rows = champion.vector, champion.rows
            jobs.append((job, door))
        latency = self._score([job for job, _ in jobs], perf_counter())
        predicted_at = self._clock()
        return results + [self._answer(job, door, latency, predicted_at).result for job, door in jobs]

    def refuse(self, request: Request, door: str, error: RequestError) -> Result:
        """Give the result of a request that cannot be put to any model."""
        return self._refusal(request, self._time(request, self._clock()), door, error)

    def _time(self, request: Request, now: int) -> int:
        return request.requested_at if self._replay and request.requested_at is not None else now

    def _score(self, jobs: Sequence[Job], started: float) -> Latency:
        """Fill each job's vector where it has none, and its prediction or error."""
        start = perf_counter()
        ready = [
            _Part(model, own, np.stack([job.vector for job in own if job.vector is not None]))
            for model, own in _by_model([job for job in jobs if job.vector is not None])
        ]
        parts = self._read([job for job in jobs if job.vector is None])
        read = perf_counter()
        parts = [_on_demand(part) for part in parts] + ready
        assembled = perf_counter()
        for part in parts:
            _run(part)
        done = perf_counter()
        return Latency(
            (read - start) * 1e3, (assembled - read) * 1e3, (done - assembled) * 1e3, (done - started) * 1e3
        )

    def _read(self, jobs: Sequence[Job]) -> list[_Part]:
        """Read the stored part of each job's vector; jobs whose rows cannot be read have an error instead."""
        groups = _by_model(jobs)
        keys: list[str] = []
        ends: list[int] = []
        for model, own in groups:
            keys += model.reader.keys([job.entities for job in own])
            ends.append(len(keys))
        values = self._rows.mget(keys) if keys else []
        parts = []
        for (model, own), start, end in zip(groups, [0, *ends], ends, strict=False):
            found = values[start:end]
            try:
                parts.append(_stored(model, own, found))
            except Exception:  # rows that another schema wrote, or that nothing can read; whose, shows here
                width = len(model.plan.groups)
                for place, job in enumerate(own):
                    rows = found[place * width : (place + 1) * width]
                    try:
                        parts.append(_stored(model, [job], rows + found[len(own) * width :]))
                    except Exception as error:
                        job.error = _reason(error, job.request)
        return parts

    def _answer(self, job: Job, door: str, latency: Latency, predicted_at: int) -> Answer:
        request = job.request
        result = Result(
            deduplication_key(job.entities, job.model.name, request.request_id),
            request.request_id,
            job.model.name,
            job.model.version,
            job.variant,
            door,
            job.prediction,
            None if job.error is None else str(job.error),
            job.entities,
            job.inputs,
            FeatureValues(job.model.reader.names, job.values) if job.values else FeatureValues(),
            job.rows,
            job.requested_at,
            predicted_at,
            latency,
            job.outputs,
            job.predicted_class,
            job.explanation,
            job.model.reader.frozen if job.rows else (),  # a ready vector is taken as it is
        )
        return Answer(result, None if job.error is None else job.error.kind, job)

    def _refusal(
        self,
        request: Request,
        requested_at: int,
        door: str,
        error: RequestError,
        shadow: LoadedModel | None = None,
    ) -> Result:
        entities = dict(request.entity_keys)
        asked = CHAMPION if request.model_version is None and request.variant is None else PINNED
        return Result(
            deduplication_key=deduplication_key(entities, request.model_name, request.request_id),
            request_id=request.request_id,
            model_name=request.model_name,
            model_version_used=None if shadow is None else shadow.version,
            variant=asked if shadow is None else SHADOW,
            door=door,
            prediction=None,
            error=str(error),
            entity_keys=entities,
            inputs=loggable(request.inputs),
            feature_values_used=FeatureValues(),
            rows=[],
            requested_at=requested_at,
            predicted_at=self._clock(),
        )


def _in_time(timeout_ms: int, waited_ms: int) -> None:
    if waited_ms >= timeout_ms:
        raise RequestError(
            "deadline-exceeded",
            f"a request is begun within its timeout_ms, or not at all; this one, of {timeout_ms} ms, had "
            f"waited for {waited_ms} ms",
        )


def _by_model(jobs: Sequence[Job]) -> list[tuple[LoadedModel, list[Job]]]:
    groups: dict[LoadedModel, list[Job]] = {}
    for job in jobs:
        groups.setdefault(job.model, []).append(job)
    return list(groups.items())


def _stored(model: LoadedModel, jobs: list[Job], values: Sequence[bytes | None]) -> _Part:
    """Give the stored part of the jobs' vectors, and note their rows; raises what is wrong with a row."""
    matrix, rows, stored = model.reader.read(
        [job.entities for job in jobs], [job.requested_at for job in jobs], values
    )
    for job, found, read in zip(jobs, rows, stored, strict=True):
        job.rows, job.stored = found, read
        job.error = _refused(model, job)
    return _Part(model, jobs, matrix)


def _on_demand(part: _Part) -> _Part:
    """Compute the rest of the vectors; a job for which that fails has an error and is left out."""
    model, jobs, matrix = part
    if not model.plan.on_demand:
        return part
    computed, failed = [], []
    for place, job in enumerate(jobs):
        try:
            computed.append(model.reader.on_demand(job.inputs, job.stored, job.requested_at))
        except Exception as error:  # as in `predict`
            job.error = job.error or _reason(error, job.request)
            failed.append(place)
    if failed:
        jobs = [job for place, job in enumerate(jobs) if place not in failed]
        matrix = np.delete(matrix, failed, axis=0)
    rest = np.array(computed, np.float64).reshape(len(jobs), len(model.plan.on_demand))
    return _Part(model, jobs, np.hstack([matrix, rest]))


def _run(part: _Part) -> None:
    """Note the vectors of the jobs, and run the model for those without an error."""
    model, jobs, vectors = part
    holes: Sequence[bool] = np.isnan(vectors).any(axis=1).tolist()  # type: ignore[assignment]
    for job, vector, values, hole in zip(jobs, vectors, vectors.tolist(), holes, strict=True):
        job.vector = vector
        if hole:
            values = [None if value != value else value for value in values]  # NaN differs from itself
        job.values = values
    if any(job.error is not None for job in jobs):
        vectors = vectors[[job.error is None for job in jobs]]
        jobs = [job for job in jobs if job.error is None]
    if not jobs:
        return
    try:
        found = model.onnx.predict(vectors)
    except Exception as error:  # the runtime's exceptions share no other base
        for job in jobs:
            job.error = RequestError(
                "model-failed", f"{model.name} version {model.version} could not be run: {error}"
            )
        return
    classes: Iterable[str | None] = found.classes or repeat(None)
    scored = zip(found.scores.tolist(), found.outputs.tolist(), classes, strict=False)  # classes may go on
    for job, (value, outputs, decided) in zip(jobs, scored, strict=True):
        if all(map(isfinite, outputs)):
            job.prediction, job.outputs, job.predicted_class = value, outputs, decided
        else:
            job.error = RequestError(
                "no-number",
                f"a prediction is a finite number, so there is none; {model.name} version "
                f"{model.version} gave {', '.join(map(str, outputs))} for this vector",
            )
    asked = [job for job in jobs if job.explain and job.error is None]
    if asked:
        _explain(model, asked)


def _explain(model: LoadedModel, jobs: Sequence[Job]) -> None:
    """Note what made the predictions of jobs that have one; without it they have an error."""
    assert model.explainer is not None  # or they would not have been accepted
    try:
        vectors = np.stack([job.vector for job in jobs if job.vector is not None])
        found = model.explainer.explain(vectors, [int(np.argmax(job.outputs)) for job in jobs])
    except UNLOADABLE as error:
        for job in jobs:
            job.prediction, job.outputs, job.predicted_class = None, [], None
            job.error = RequestError(
                "unloadable-explainer",
                f"{model.name} version {model.version} cannot be explained, so there is no answer: {error}",
            )
        return
    except Exception as error:  # the stores' clients share no base
        raise OutageError(
            f"what explains {model.name} version {model.version} waits for a store to answer: {error}"
        ) from error
    names = model.reader.names
    for job, (*contributions, bias) in zip(jobs, found.tolist(), strict=True):
        job.explanation = Explanation(bias, dict(zip(names, contributions, strict=True)))


def _reason(error: Exception, request: Request) -> RequestError:
    """Give what is told of a request: a broken rule as it is, anything else as a fault, which is logged."""
    if isinstance(error, RequestError):
        return error
    if isinstance(error, LayoutMismatchError):
        return RequestError("wrong-layout", str(error))
    _LOG.error(
        "the vector of a request to %s could not be computed",
        request.model_name,
        exc_info=error,
        extra={"request_id": request.request_id},
    )
    return RequestError("model-failed", f"the vector could not be computed, so nothing predicts: {error!r}")


def _refused(model: LoadedModel, job: Job) -> RequestError | None:
    for place, group in model.reader.refusing:
        row = job.rows[place]
        if row.age_ms is None or row.age_ms > group.expected_max_lag_ms:
            return RequestError(
                "stale-features",
                f"{group.label} is not served when it lags by more than {group.expected_max_lag_ms} ms; "
                f"there is no prediction (its lag is {row.age_ms} ms)",
            )
    return None
