"""The HTTP door's OpenAPI document, out of the definitions that read and write its bodies."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from msgspec.json import schema_components

from inference.bodies import Batch, ModelBody, Models, Prediction, Predictions
from inference.open_inference import (
    LIVE,
    MODEL,
    READY,
    ROOT,
    VERSION,
    ErrorBody,
    ModelReady,
    ServerLive,
    ServerMetadata,
    ServerReady,
)
from inference.problems import MEDIA_TYPE, Problem
from inference.records import Request
from inference.tensors import InferRequest, InferResponse, ModelMetadata

_BODIES = (
    *(Request, Batch, Prediction, Predictions, ModelBody, Models, Problem),
    *(
        InferRequest,
        InferResponse,
        ModelMetadata,
        ServerMetadata,
        ServerLive,
        ServerReady,
        ModelReady,
        ErrorBody,
    ),
)
_REQUEST = {
    "request_id": "2013-06-01-AA-119-LGA",
    "model_name": "late_arrival",
    "entity_keys": {"carrier": "AA", "origin": "LGA", "route": "LGA|DFW"},
    "inputs": {"scheduled_at": 1370084400000, "distance": 1389.0},
}
_ANSWER = {
    "request_id": "2013-06-01-AA-119-LGA",
    "model_name": "late_arrival",
    "model_version_used": 3,
    "variant": "champion",
    "prediction": 0.27,
    "outputs": [0.73, 0.27],
    "predicted_class": "0",
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
            "defaulted": False,
        }
    ],
    "frozen": [],
    "explanation": {
        "bias": -0.5,
        "contributions": {"carrier_delay.arr_delay_mean_1h": -0.55, "hour": 0.055},
    },
    "requested_at": 1370083264000,
    "predicted_at": 1370083264003,
    "latency_ms": {"features": 0.6, "on_demand": 0.1, "model": 0.2, "total": 1.0},
}
_CALL = {
    "id": "2013-06-01-AA-119-LGA",
    "inputs": [
        {"name": "vector", "shape": [2, 3], "datatype": "FP64", "data": [4.5, 11.0, None, 2.25, 12.0, 1389.0]}
    ],
}
_EXAMPLES = {"Request": _REQUEST, "Prediction": _ANSWER, "InferRequest": _CALL}


def document(title: str, version: str, closed: bool) -> dict[str, Any]:
    """Give the document (OpenAPI 3.1); `closed` doors ask for a bearer token."""
    references, shapes = schema_components(_BODIES, ref_template="#/components/schemas/{name}")
    named = dict(zip((body.__name__ for body in _BODIES), references, strict=True))
    for name, example in _EXAMPLES.items():
        shapes[name]["examples"] = [example]
    guard: dict[str, Any] = {"security": [{"bearer": []}]} if closed else {}

    def answers(body: Mapping[str, Any], *statuses: int) -> dict[str, Any]:
        failed = {"content": {MEDIA_TYPE: {"schema": named["Problem"]}}}
        closed_to = [401, 403] if guard else []
        return {"200": {"description": "OK", "content": {"application/json": {"schema": body}}}} | {
            str(status): {"description": HTTPStatus(status).phrase, **failed}
            for status in sorted({*statuses, *closed_to})
        }

    health = {"type": "object", "properties": {"status": {"type": "string"}}, "required": ["status"]}
    request = {"oneOf": [named["Request"], named["Batch"]]}
    answer = {"oneOf": [named["Prediction"], named["Predictions"]]}
    paths: dict[str, Any] = {
        "/v1/predict": {
            "post": {
                "operationId": "predict",
                "summary": "Answer one request, or a batch of them",
                "description": "The answer is in the log before it leaves. A request that is sent again "
                "within a minute gets the same answer.",
                "requestBody": {"required": True, "content": {"application/json": {"schema": request}}},
                "responses": answers(answer, 400, 404, 408, 413, 422, 429, 500, 503, 504),
                **guard,
            }
        },
        "/v1/models": {
            "get": {
                "operationId": "list_models",
                "summary": "List who answers for each model name",
                "responses": answers(named["Models"]),
                **guard,
            }
        },
        "/v1/models/{name}": {
            "get": {
                "operationId": "show_model",
                "summary": "Show who answers for a model name, and what a request must bring",
                "parameters": [
                    {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
                ],
                "responses": answers(named["ModelBody"], 404),
                **guard,
            }
        },
        "/healthz": {
            "get": {
                "operationId": "live",
                "summary": "Tell that the process runs",
                "responses": {"200": answers(health)["200"]},
            }
        },
        "/readyz": {
            "get": {
                "operationId": "ready",
                "summary": "Tell that requests can be answered",
                "responses": {k: v for k, v in answers(health, 503).items() if k in ("200", "503")},
            }
        },
    }
    paths |= _open_inference(named, guard)
    scheme = {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}} if closed else {}
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version, "summary": "Predictions from fresh features."},
        "paths": paths,
        "components": {"schemas": shapes, **scheme},
    }


def _open_inference(named: Mapping[str, Any], guard: Mapping[str, Any]) -> dict[str, Any]:
    """Give the paths of the Open Inference Protocol."""
    failed = {"content": {"application/json": {"schema": named["ErrorBody"]}}}
    closed_to = [401, 403] if guard else []

    def operation(
        name: str, summary: str, path: str, body: str, *statuses: int, **more: object
    ) -> dict[str, Any]:
        parameters = [
            {"name": part, "in": "path", "required": True, "schema": {"type": "string"}}
            for part in ("name", "version")
            if f"{{{part}}}" in path
        ]
        answers = {"200": {"description": "OK", "content": {"application/json": {"schema": named[body]}}}} | {
            str(status): {"description": HTTPStatus(status).phrase, **failed} for status in sorted(statuses)
        }
        stated = {"operationId": name, "summary": summary, "responses": answers, **more}
        return stated | ({"parameters": parameters} if parameters else {})

    paths: dict[str, Any] = {
        ROOT: {
            "get": operation(
                "v2_server", "Tell what server this is", ROOT, "ServerMetadata", *closed_to, **guard
            )
        },
        LIVE: {"get": operation("v2_live", "Tell that the process runs", LIVE, "ServerLive")},
        READY: {"get": operation("v2_ready", "Tell that calls can be answered", READY, "ServerReady", 503)},
    }
    call = {"required": True, "content": {"application/json": {"schema": named["InferRequest"]}}}
    for kind, path in (("", MODEL), ("_version", VERSION)):
        known = (404, 503, *closed_to)
        paths[path] = {
            "get": operation(f"v2_model{kind}", "Describe a model", path, "ModelMetadata", *known, **guard)
        }
        ready = f"{path}/ready"
        paths[ready] = {
            "get": operation(
                f"v2_model_ready{kind}", "Tell that a model can answer", ready, "ModelReady", *known, **guard
            )
        }
        infer = f"{path}/infer"
        paths[infer] = {
            "post": operation(
                f"v2_infer{kind}",
                "Answer ready vectors",
                infer,
                "InferResponse",
                *(400, 408, 413, 429, 500, 504, *known),
                requestBody=call,
                **guard,
            )
        }
    return paths
