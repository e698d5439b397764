"""What goes to Augury and what comes back."""

import math
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypedDict

Value = bool | int | float | str | datetime | None
"""An input: a timestamp is a datetime with a zone, or ms since the epoch."""
Variant = Literal["champion", "challenger", "shadow"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _new_id() -> str:
    return uuid.uuid4().hex


@dataclass(frozen=True)
class Request:
    """A request for one prediction: entities with their inputs, or a ready vector in the model's order.

    `entity_keys` maps entity names to key texts; the columns of a key are joined by `|`. Who
    names a `model_version` or a `variant`, not both, has it answer; with neither the champion does, or its
    challenger. In a vector None is a missing value. The log knows the request by `request_id`,
    and a label names it later: give one of your own where there will be labels. What a door has not begun
    within `timeout_ms` it does not do, and says so. `explain` asks a model of trees what made its prediction.
    """

    model_name: str
    entity_keys: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, Value] = field(default_factory=dict)
    request_id: str = field(default_factory=_new_id)
    model_version: int | None = None
    vector: Sequence[float | None] | None = None
    timeout_ms: int | None = None
    variant: Variant | None = None
    explain: bool = False

    def fields(self) -> dict[str, object]:
        """Give the request as plain data. Raises `ValueError` for a datetime without a zone."""
        return {
            "request_id": self.request_id,
            "model_name": self.model_name,
            "model_version": self.model_version,
            "variant": self.variant,
            "entity_keys": dict(self.entity_keys),
            "inputs": {name: _plain(name, value) for name, value in self.inputs.items()},
            "vector": None if self.vector is None else [_number(value) for value in self.vector],
            "timeout_ms": self.timeout_ms,
            "explain": self.explain,
        }


class Asked(TypedDict, total=False):
    """What a caller of `predict` may state beside the model: the other fields of `Request`."""

    entity_keys: Mapping[str, str]
    inputs: Mapping[str, Value]
    request_id: str
    model_version: int | None
    vector: Sequence[float | None] | None
    timeout_ms: int | None
    variant: Variant | None
    explain: bool


@dataclass(frozen=True)
class Row:
    """A feature row in the vector. `state` is fresh, stale or missing; a missing row has `seq` -1.

    `event_timestamp` is in ms since the epoch; `age_ms` is how far the group's clock lay behind the request.
    """

    group: str
    version: int
    entity: str
    event_timestamp: int
    seq: int
    state: str
    age_ms: int | None


@dataclass(frozen=True)
class Latency:
    """Where the time went, in ms; of a batch, for the whole batch."""

    features: float
    on_demand: float
    model: float
    total: float


@dataclass(frozen=True)
class Explanation:
    """What made a prediction: `bias` and the features' `contributions` add up to the model's raw score.

    Of a probability that is its log-odds.
    """

    bias: float
    contributions: Mapping[str, float]


@dataclass(frozen=True)
class Prediction:
    """An answer. One of a batch may have an `error`, and then no `prediction`.

    `prediction` is the value, the first target, the positive class's probability, or of more than two classes
    the predicted one's; `outputs` are all that the model gave, and `predicted_class` is what a classifier
    decided on. `frozen` names the stored features that stand at their defaults, whatever their rows hold.
    Times are ms since the epoch.
    """

    request_id: str
    model_name: str
    model_version_used: int | None
    variant: str
    prediction: float | None
    error: str | None
    feature_values_used: Mapping[str, float | None]
    groups: Sequence[Row]
    requested_at: int
    predicted_at: int
    latency_ms: Latency
    outputs: Sequence[float] = ()
    predicted_class: str | None = None
    explanation: Explanation | None = None
    frozen: Sequence[str] = ()


@dataclass(frozen=True)
class ModelInfo:
    """Who answers for a model name, and what a request brings: entities with key columns, and inputs."""

    model_name: str
    champion_version: int | None
    challenger_version: int | None
    challenger_share: float
    shadow_model_version: int | None
    problems: Sequence[str]
    entities: Mapping[str, Sequence[str]]
    inputs: Mapping[str, str]
    vector: Sequence[str]


def known(record: type, body: Mapping[str, Any]) -> dict[str, Any]:
    """Take a record's fields out of what was read.

    What a later door adds is passed over; what an earlier one does not tell has its default.
    """
    told = (f for f in fields(record) if f.name in body or f.default is MISSING)
    return {f.name: body[f.name] for f in told}


def _plain(name: str, value: Value) -> bool | int | float | str | None:
    if not isinstance(value, datetime):
        return value
    if value.tzinfo is None:
        raise ValueError(f"a moment has a time zone, or it would be several; input {name!r} is {value!r}")
    return (value - _EPOCH) // timedelta(milliseconds=1)


def _number(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value
