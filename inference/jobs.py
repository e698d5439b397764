"""A valid request on its way through a model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from features.types import Value
from inference.models import LoadedModel, Models, OutageError, Serving, Variants
from inference.records import Explanation, Request, RequestError, Variant, VectorRow, check_inputs
from inference.routing import entity_text, takes_challenger
from inference.runtime import Matrix

CHAMPION: Literal["champion"] = "champion"
CHALLENGER, SHADOW, PINNED = "challenger", "shadow", "pinned"


@dataclass(eq=False, slots=True)
class Job:
    """A request, who answers it, and what is known so far: vector (k,), rows, then prediction or error.

    `stored` has the stored features that on-demand features read, `values` the vector where None is a
    missing value; `requested_at` is the request's time in ms since the epoch; `shadow` runs after the
    answer has left.
    """

    request: Request
    requested_at: int
    model: LoadedModel
    variant: str
    entities: dict[str, str]
    inputs: dict[str, Value]
    vector: Matrix | None = None
    shadow: LoadedModel | None = None
    rows: list[VectorRow] = field(default_factory=list)
    stored: dict[str, Value] = field(default_factory=dict)
    values: list[float | None] = field(default_factory=list)
    error: RequestError | None = None
    prediction: float | None = None
    outputs: list[float] = field(default_factory=list)
    predicted_class: str | None = None
    explain: bool = False
    explanation: Explanation | None = None


def accept(request: Request, requested_at: int, serving: Serving, models: Models) -> Job:
    """Route a request to who answers at one moment, and check it; `models` has the versions that are pinned.

    Raises `RequestError`, and `OutageError` in an outage.
    """
    variants = serving.of(request.model_name)
    entities = _entities(request, variants)
    model, variant = _route(request, entities, variants, models)
    job = job_for(request, requested_at, model, variant, entities)
    job.shadow = variants.shadow if variant == CHAMPION else None
    if request.explain:
        if model.explainer is None:
            raise RequestError(
                "no-explainer",
                "a model is explained by the trees that it was registered with, so there is no answer; "
                f"{model.name} version {model.version} was registered without",
            )
        job.explain = True
    return job


def job_for(
    request: Request, requested_at: int, model: LoadedModel, variant: str, entities: dict[str, str]
) -> Job:
    """Check a request against the contract of the model that answers it; raises `RequestError`."""
    if request.vector is None:
        _check_entities(entities, model)
        inputs = check_inputs(request.inputs, model.plan.inputs)
        return Job(request, requested_at, model, variant, entities, inputs)
    vector = np.array([np.nan if v is None else v for v in request.vector], dtype=np.float64)
    if len(vector) != len(model.reader.names):
        raise RequestError(
            "vector-length",
            f"a vector of {model.name} version {model.version} has {len(model.reader.names)} values; one of "
            f"{len(vector)} cannot be scored",
        )
    return Job(request, requested_at, model, variant, entities, {}, vector)


def _entities(request: Request, variants: Variants) -> dict[str, str]:
    if request.entity_id is None:
        return dict(request.entity_keys)
    if request.entity_keys:
        raise RequestError(
            "wrong-entity",
            "a request has entity_id or entity_keys, or it could not be told who is meant; this one has both",
        )
    names = [] if variants.champion is None else list(variants.champion.plan.entities)
    if len(names) != 1:
        raise RequestError(
            "wrong-entity",
            "entity_id stands for the key of a model's only entity, so it cannot be told which; give "
            f"entity_keys ({request.model_name} has {', '.join(names) or 'none'})",
        )
    return {names[0]: request.entity_id}


def _route(
    request: Request, entities: Mapping[str, str], variants: Variants, models: Models
) -> tuple[LoadedModel, str]:
    if request.model_version is not None:
        if request.variant is not None:
            raise RequestError(
                "version-and-variant",
                "a request names a model_version, a variant or neither, or it could not be told who answers; "
                f"this one names version {request.model_version} and the {request.variant}",
            )
        held = variants.version(request.model_version)
        return held or models.version(request.model_name, request.model_version), PINNED
    if request.variant is not None:
        return named(request.variant, request.model_name, variants), PINNED
    challenger = variants.challenger
    if challenger is not None:
        unit = entity_text(entities) or request.request_id
        if takes_challenger(request.model_name, challenger.version, unit, variants.challenger_share):
            return challenger, CHALLENGER
    return named(CHAMPION, request.model_name, variants), CHAMPION


def named(variant: Variant, model_name: str, variants: Variants) -> LoadedModel:
    """Give who has this part now; raises `RequestError`, and `OutageError` where it may be there later."""
    found: LoadedModel | None = getattr(variants, variant)
    if found is not None:
        return found
    if variants.outage:
        raise OutageError(f"{model_name} waits for its {variant}: {'; '.join(variants.problems)}")
    if variant == CHAMPION:
        raise RequestError(
            "no-champion",
            "a request that names nobody else goes to the champion, so nothing can answer; "
            f"{model_name} has none that is loaded",
        )
    raise RequestError(
        "no-such-variant",
        f"a variant that is named answers, and no other in its place; {model_name} has no {variant} that is "
        "loaded, so nothing can answer",
    )


def _check_entities(entities: Mapping[str, str], model: LoadedModel) -> None:
    needed = model.plan.entities
    if entities.keys() == needed.keys():
        return
    for name in needed:
        if name not in entities:
            raise RequestError(
                "missing-entity",
                f"a request names every entity of its model ({', '.join(needed)}); the rows of {name!r} "
                f"cannot be found (the request names {', '.join(entities) or 'none'})",
            )
    for name in entities:
        if name not in needed:
            raise RequestError(
                "wrong-entity",
                f"a request names the entities of its model and no others ({', '.join(needed)}); {name!r} "
                "would be ignored",
            )
