"""The HTTP door's bodies, as its OpenAPI document shows them."""

from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    Tag,
)

from features.types import MAX_TIME
from inference.models import LoadedModel, Variants
from inference.records import ID_CHARACTERS, Request, Result, check_size

Number = Annotated[float, Field(allow_inf_nan=False)]
_EXAMPLE: dict[str, JsonValue] = {
    "request_id": "2013-06-01-AA-119-LGA",
    "model_name": "late_arrival",
    "entity_keys": {"carrier": "AA", "origin": "LGA", "route": "LGA|DFW"},
    "inputs": {"scheduled_at": 1370084400000, "distance": 1389.0},
}
_ANSWER: dict[str, JsonValue] = {
    "request_id": "2013-06-01-AA-119-LGA",
    "model_name": "late_arrival",
    "model_version_used": 3,
    "variant": "champion",
    "prediction": 0.27,
    "error": None,
    "feature_values_used": {"carrier_delay.arr_delay_mean_1h": 4.5, "hour": 11.0},
    "groups": [
        {
            "group": "carrier_delay",
            "version": 1,
            "entity": "AA",
            "event_timestamp": 1370083260000,
            "seq": 20411,
            "state": "fresh",
            "age_ms": 1200,
        }
    ],
    "requested_at": 1370083264000,
    "predicted_at": 1370083264003,
    "latency_ms": {"features": 0.6, "on_demand": 0.1, "model": 0.2, "total": 1.0},
}


class Body(BaseModel):
    """A body whose fields may begin with `model_`, and that has no others."""

    model_config = ConfigDict(protected_namespaces=(), extra="forbid")


class PredictionRequest(Body):
    """A request for one prediction: entities with their inputs, or a ready vector."""

    model_config = ConfigDict(
        protected_namespaces=(), extra="forbid", json_schema_extra={"examples": [_EXAMPLE]}
    )

    request_id: str = Field(
        min_length=1, max_length=ID_CHARACTERS, description="The caller's; a label names it later."
    )
    model_name: str
    model_version: int | None = Field(None, ge=1, lt=2**31, description="The champion when absent.")
    entity_keys: dict[str, str] = Field(
        default_factory=dict, description="Entity name to key text; the columns of a key are joined by |."
    )
    entity_id: str | None = Field(None, description="The key, where the model has one entity.")
    inputs: dict[str, StrictBool | StrictInt | StrictFloat | StrictStr | None] = Field(
        default_factory=dict, description="What on-demand features need; timestamps in ms since the epoch."
    )
    vector: list[Number | None] | None = Field(
        None, description="A ready vector in the model's order; null is a missing value."
    )
    requested_at: int | None = Field(
        None, ge=0, le=MAX_TIME, description="In ms since the epoch; trusted only by a door that replays."
    )

    def request(self) -> Request:
        """Give the request that this body states; raises `RequestError` where it is too large."""
        request = Request(**{name: getattr(self, name) for name in type(self).model_fields})
        check_size(request)
        return request


class Batch(Body):
    """Many requests at once; each gets an answer or an error of its own."""

    requests: list[PredictionRequest] = Field(min_length=1, max_length=1_000)


def _which(body: Any) -> str:  # noqa: ANN401 (whatever JSON the client sent)
    return "batch" if isinstance(body, dict) and "requests" in body else "one"


AnyRequest = Annotated[
    Annotated[PredictionRequest, Tag("one")] | Annotated[Batch, Tag("batch")], Discriminator(_which)
]


class RowBody(Body):
    """A feature row in the vector; a missing one has seq -1."""

    group: str
    version: int
    entity: str
    event_timestamp: int
    seq: int
    state: str = Field(description="fresh, stale or missing, by the clock of the group's stream")
    age_ms: int | None = Field(description="How far that clock lay behind the request.")


class LatencyBody(Body):
    """Where the time went, in milliseconds; of a batch, for the whole batch."""

    features: float
    on_demand: float
    model: float
    total: float


class PredictionBody(Body):
    """An answer: the prediction or, in a batch, the error; the values used, and the rows they came from."""

    model_config = ConfigDict(
        protected_namespaces=(), extra="forbid", json_schema_extra={"examples": [_ANSWER]}
    )

    request_id: str
    model_name: str
    model_version_used: int | None
    variant: str = Field(description="champion, challenger or pinned")
    prediction: float | None
    error: str | None
    feature_values_used: dict[str, float | None]
    groups: list[RowBody]
    requested_at: int
    predicted_at: int
    latency_ms: LatencyBody


class PredictionBatch(Body):
    """The answers of a batch, in the order of its requests."""

    results: list[PredictionBody]


class ModelBody(Body):
    """Who answers for a model name, and the champion's contract."""

    model_name: str
    champion_version: int | None
    challenger_version: int | None
    challenger_share: float
    shadow_model_version: int | None
    problems: list[str] = Field(description="Versions that could not be loaded, and why.")
    entities: dict[str, list[str]] = Field(description="Entity name to the columns of its key.")
    inputs: dict[str, str] = Field(description="Request-time inputs with their types.")
    vector: list[str] = Field(description="The vector's names, in order.")


class ModelsBody(Body):
    """All models."""

    models: list[ModelBody]


class Problem(BaseModel):
    """What went wrong, as RFC 9457 has it."""

    type: str = Field(examples=["urn:augury:unknown-model"])
    title: str
    status: int
    detail: str
    request_id: str | None = None


def result_body(result: Result) -> dict[str, Any]:
    """Give a `PredictionBody` as plain data."""
    return {
        "request_id": result.request_id,
        "model_name": result.model_name,
        "model_version_used": result.model_version_used,
        "variant": result.variant,
        "prediction": result.prediction,
        "error": result.error,
        "feature_values_used": result.feature_values_used,
        "groups": result.rows,
        "requested_at": result.requested_at,
        "predicted_at": result.predicted_at,
        "latency_ms": {
            "features": result.latency_features_ms,
            "on_demand": result.latency_on_demand_ms,
            "model": result.latency_model_ms,
            "total": result.latency_total_ms,
        },
    }


def model_body(model_name: str, variants: Variants) -> ModelBody:
    """Describe who answers for a model name."""
    champion = variants.champion
    plan = None if champion is None else champion.plan
    return ModelBody(
        model_name=model_name,
        champion_version=_version(champion),
        challenger_version=_version(variants.challenger),
        challenger_share=variants.challenger_share,
        shadow_model_version=_version(variants.shadow),
        problems=list(variants.problems),
        entities={} if plan is None else {name: list(keys) for name, keys in plan.entities.items()},
        inputs={} if plan is None else {name: t.value for name, t in plan.inputs.items()},
        vector=[] if plan is None else list(plan.names),
    )


def _version(model: LoadedModel | None) -> int | None:
    return None if model is None else model.version
