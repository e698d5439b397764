"""One question to a door, as a person writes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import httpx

from augury.load.http import problem_of
from augury.load.kafka import KafkaDoor
from augury.options import moment
from features.types import DataType, Value

_PATIENCE_S = 30.0


class AskingError(RuntimeError):
    """A door gave no prediction; the text is what it said."""


@dataclass(frozen=True)
class Contract:
    """What a request to a model brings: entities by name with their key columns, inputs with their types."""

    model_name: str
    entities: dict[str, tuple[str, ...]]
    inputs: dict[str, DataType]

    @classmethod
    def read(cls, client: httpx.Client, model_name: str) -> Self:
        """Ask the HTTP door; raises `AskingError` for a model that it does not know."""
        told = _body(client.get(f"/v1/models/{model_name}"))
        entities = {name: tuple(columns) for name, columns in told["entities"].items()}
        return cls(model_name, entities, {name: DataType(kind) for name, kind in told["inputs"].items()})

    def request(
        self,
        pairs: Sequence[str],
        request_id: str,
        version: int | None = None,
        variant: str | None = None,
        explain: bool = False,
    ) -> dict[str, Any]:
        """Make the request that `pairs`, each `name=value`, state.

        A timestamp is ISO 8601 or ms since the epoch, an empty value is NULL. Raises `AskingError`.
        """
        keys: dict[str, str] = {}
        inputs: dict[str, Value] = {}
        for pair in pairs:
            name, equals, text = pair.partition("=")
            if not equals or (name not in self.entities and name not in self.inputs):
                known = [*self.entities, *self.inputs]
                raise AskingError(
                    f"a value is written as name=value, for an entity or an input of {self.model_name} "
                    f"({', '.join(known)}), so nothing was asked; {pair!r} is not"
                )
            if name in self.entities:
                keys[name] = text
            else:
                inputs[name] = typed(name, text, self.inputs[name])
        asked: dict[str, Any] = {"request_id": request_id, "model_name": self.model_name}
        asked |= {"model_version": version, "variant": variant, "explain": explain}
        return asked | {"entity_keys": keys, "inputs": inputs}


def typed(name: str, text: str, data_type: DataType) -> Value:
    """Read an input's value; raises `AskingError`."""
    if not text:
        return None
    try:
        match data_type:
            case DataType.BOOLEAN:
                return {"true": True, "false": False}[text.lower()]
            case DataType.INTEGER:
                return int(text)
            case DataType.DOUBLE:
                return float(text)
            case DataType.TIMESTAMP:
                return int(text) if text.lstrip("-").isdigit() else moment(text)
            case DataType.TEXT:
                return text
    except (KeyError, ValueError) as error:
        raise AskingError(
            f"an input is a value of its type, so nothing was asked; {name} is of type {data_type.value}, "
            f"and {text!r} is none"
        ) from error


def ask_http(client: httpx.Client, request: dict[str, Any]) -> dict[str, Any]:
    """Ask the HTTP door; raises `AskingError` where it answers with a problem."""
    return _body(client.post("/v1/predict", json=request))


def ask_kafka(door: KafkaDoor, request: dict[str, Any]) -> dict[str, Any]:
    """Ask by the log, and give the answer in the form of the HTTP door's.

    Raises `AskingError` where the result is an error, or does not come within 30 s.
    """
    door.send(request)
    for _ in range(int(_PATIENCE_S)):
        for found in door.answers(1.0):
            if found["request_id"] == request["request_id"]:
                if found["error"] is not None:
                    raise AskingError(found["error"])
                parts = ("features", "on_demand", "model", "total")
                latency = {part: found[f"latency_{part}_ms"] for part in parts}
                bias = found["bias"]
                explained = bias is not None and {"bias": bias, "contributions": found["contributions"]}
                return found | {
                    "groups": found["rows"],
                    "explanation": explained or None,
                    "latency_ms": latency,
                }
    raise AskingError(f"an answer comes within {_PATIENCE_S:.0f} s where a worker runs; none came")


def _body(answer: httpx.Response) -> dict[str, Any]:
    problem = problem_of(answer.status_code, answer.content)
    if problem is None:
        return dict(answer.json())
    is_problem = answer.headers.get("content-type", "") == "application/problem+json"
    raise AskingError(f"{problem}: {answer.json()['detail']}" if is_problem else problem)
