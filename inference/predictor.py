"""The one path from requests to results, for both doors and for the shadow."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from redis import Redis

from features.layout import LayoutMismatchError
from inference.jobs import CHAMPION, PINNED, SHADOW, Job, accept, job_for
from inference.models import LoadedModel, Models, OutageError
from inference.records import Latency, Request, RequestError, Result, VectorRow, loggable
from inference.routing import deduplication_key
from inference.runtime import Matrix


class Answer(NamedTuple):
    """A result; what was wrong where it is an error (`RequestError.kind`); the job of a valid request."""

    result: Result
    problem: str | None
    job: Job | None


class Predictor:
    """Answers batches of requests: one multi-get, one run of each model.

    Freshness is judged, and the request's time logged, by `clock` (ms since the epoch); with `replay` by
    the request's own `requested_at` where it has one.
    """

    def __init__(self, models: Models, rows: Redis, clock: Callable[[], int], replay: bool = False) -> None:
        self._models = models
        self._rows = rows
        self._clock = clock
        self._replay = replay

    def predict(self, requests: Sequence[Request], door: str) -> list[Answer]:
        """Answer each request, in order; a request that is wrong gets a result with an error.

        The latencies are the batch's. Raises `redis.RedisError` and `OutageError` in an outage
        of a store.
        """
        started = perf_counter()
        now = self._clock()
        accepted: list[Job | RequestError] = []
        for request in requests:
            try:
                accepted.append(accept(request, self._time(request, now), self._models))
            except OutageError:  # the whole batch waits
                raise
            except Exception as error:  # whatever is wrong with it, the others of its batch are answered
                accepted.append(_reason(error))
        latency = self._score([job for job in accepted if isinstance(job, Job)], started)
        return [
            self._answer(job, door, latency)
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
                results.append(self._refusal(request, at, door, _reason(error), champion.shadow))
                continue
            if champion.model.plan == job.model.plan:
                job.vector, job.rows = champion.vector, champion.rows
            jobs.append((job, door))
        latency = self._score([job for job, _ in jobs], perf_counter())
        return results + [self._answer(job, door, latency).result for job, door in jobs]

    def refuse(self, request: Request, door: str, error: RequestError) -> Result:
        """Give the result of a request that cannot be put to any model."""
        return self._refusal(request, self._time(request, self._clock()), door, error)

    def _time(self, request: Request, now: int) -> int:
        return request.requested_at if self._replay and request.requested_at is not None else now

    def _score(self, jobs: Sequence[Job], started: float) -> Latency:
        """Fill each job's vector where it has none, and its prediction or error."""
        start = perf_counter()
        reading = [job for job in jobs if job.vector is None]
        stored = self._read(reading)
        read = perf_counter()
        for job, numbers in zip(reading, stored, strict=True):
            if numbers is None:
                continue
            try:
                on_demand = job.model.reader.on_demand(job.inputs, job.stored, job.requested_at)
                job.vector = np.concatenate([numbers, on_demand])
            except Exception as error:  # as in `predict`
                job.error = job.error or _reason(error)
        assembled = perf_counter()
        _run([job for job in jobs if job.error is None])
        done = perf_counter()
        return {
            "latency_features_ms": (read - start) * 1e3,
            "latency_on_demand_ms": (assembled - read) * 1e3,
            "latency_model_ms": (done - assembled) * 1e3,
            "latency_total_ms": (done - started) * 1e3,
        }

    def _read(self, jobs: Sequence[Job]) -> list[Matrix | None]:
        keys = list(dict.fromkeys(key for job in jobs for key in job.model.reader.keys(job.entities)))
        found: Any = self._rows.mget(keys) if keys else []
        values = dict(zip(keys, found, strict=True))
        numbers: dict[Job, Matrix] = {}
        for model, group in _by_model(jobs).items():
            try:
                numbers |= _stored(model, group, values)
            except Exception:  # rows that another schema wrote, or that nothing can read; whose, shows here
                for job in group:
                    try:
                        numbers |= _stored(model, [job], values)
                    except Exception as error:
                        job.error = _reason(error)
        return [numbers.get(job) for job in jobs]

    def _answer(self, job: Job, door: str, latency: Latency) -> Answer:
        names = () if job.vector is None else job.model.plan.names
        values = [] if job.vector is None else job.vector.tolist()
        request = job.request
        result = Result(
            deduplication_key=deduplication_key(job.entities, job.model.name, request.request_id),
            request_id=request.request_id,
            model_name=job.model.name,
            model_version_used=job.model.version,
            variant=job.variant,
            door=door,
            prediction=job.prediction,
            error=None if job.error is None else str(job.error),
            entity_keys=job.entities,
            inputs=job.inputs,
            feature_values_used={
                name: None if value != value else value  # NaN is the one that differs from itself
                for name, value in zip(names, values, strict=True)
            },
            rows=job.rows,
            requested_at=job.requested_at,
            predicted_at=self._clock(),
            **latency,
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
        asked = CHAMPION if request.model_version is None else PINNED
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
            feature_values_used={},
            rows=[],
            requested_at=requested_at,
            predicted_at=self._clock(),
        )


def _stored(model: LoadedModel, jobs: Sequence[Job], values: Mapping[str, bytes | None]) -> dict[Job, Matrix]:
    """Give the stored part of each job's vector, and note its rows; raises what is wrong with a row."""
    matrix, rows, stored = model.reader.read(
        [job.entities for job in jobs], [job.requested_at for job in jobs], values
    )
    for job, found, read in zip(jobs, rows, stored, strict=True):
        job.rows, job.stored = found, read
        job.error = _refused(model, found)
    return dict(zip(jobs, matrix, strict=True))


def _reason(error: Exception) -> RequestError:
    """Give what is told of a request: a broken rule as it is, anything else as a fault of the model."""
    if isinstance(error, RequestError):
        return error
    if isinstance(error, LayoutMismatchError):
        return RequestError("wrong-layout", str(error))
    return RequestError("model-failed", f"the vector could not be computed, so nothing predicts: {error!r}")


def _by_model(jobs: Sequence[Job]) -> Mapping[LoadedModel, list[Job]]:
    groups: dict[LoadedModel, list[Job]] = defaultdict(list)
    for job in jobs:
        groups[job.model].append(job)
    return groups


def _refused(model: LoadedModel, rows: Sequence[VectorRow]) -> RequestError | None:
    for group, row in zip(model.plan.groups, rows, strict=True):
        stale = row["age_ms"] is None or row["age_ms"] > group.expected_max_lag_ms
        if group.on_stale == "refuse" and stale:
            return RequestError(
                "stale-features",
                f"{group.label} is not served when it lags by more than {group.expected_max_lag_ms} ms; "
                f"there is no prediction (its lag is {row['age_ms']} ms)",
            )
    return None


def _run(jobs: Sequence[Job]) -> None:
    for model, group in _by_model(jobs).items():
        try:
            found = model.onnx.predict(np.stack([job.vector for job in group if job.vector is not None]))
        except Exception as error:  # the runtime's exceptions share no other base
            for job in group:
                job.error = RequestError(
                    "model-failed", f"{model.name} version {model.version} could not be run: {error}"
                )
            continue
        for job, value in zip(group, found.tolist(), strict=True):
            if np.isfinite(value):
                job.prediction = value
            else:
                job.error = RequestError(
                    "no-number",
                    f"a prediction is a finite number, so there is none; {model.name} version "
                    f"{model.version} gave {value} for this vector",
                )
