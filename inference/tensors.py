"""The tensors of the Open Inference Protocol: requests out of them, and answers as them."""

import uuid
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

import msgspec
import numpy as np
from msgspec import Meta, Struct, field

from inference.models import LoadedModel
from inference.records import ID_CHARACTERS, UNREADABLE, Request, RequestError, Result, check_size
from inference.runtime import Matrix

INPUT = "vector"
PREDICTION, VALUES, CLASS = OUTPUTS = ("prediction", "outputs", "predicted_class")
PLATFORM = "onnx_onnxv1"
_MOST_ROWS = 1_000
_ID_CHARACTERS = ID_CHARACTERS - len("/999")
_MOST_US = 3_600_000_000
_VERSION_DIGITS = 10

Parameters = dict[str, Any]
T = TypeVar("T")


class InputTensor(Struct, frozen=True):
    """Vectors in the model's order, a row each: flat or nested, row after row; null is a missing value."""

    name: Annotated[str, Meta(description=f"`{INPUT}`, the model's only input.")]
    shape: Annotated[
        list[Annotated[int, Meta(ge=1, le=2**31 - 1)]],
        Meta(min_length=2, max_length=2, description=f"Rows, {_MOST_ROWS} at most, and the vector's length."),
    ]
    datatype: Literal["FP32", "FP64"]
    data: list[float | list[float | None] | None]
    parameters: Parameters = field(default_factory=dict)


class RequestedOutput(Struct, frozen=True):
    """An output that is asked for."""

    name: str
    parameters: Parameters = field(default_factory=dict)


class InferRequest(Struct, frozen=True):
    """A call for one prediction a row.

    `id` is the `request_id` of the only row; of many rows, row n's is `<id>/<n>`. `parameters.timeout` is how
    long the caller waits, in microseconds.
    """

    inputs: Annotated[list[InputTensor], Meta(min_length=1, max_length=1)]
    id: Annotated[str, Meta(max_length=_ID_CHARACTERS)] = ""
    outputs: Annotated[list[RequestedOutput], Meta(description="All where none are named.")] = field(
        default_factory=list
    )
    parameters: Parameters = field(default_factory=dict)


class OutputTensor(Struct, frozen=True):
    """What came out, a row for each of the input's: numbers, and texts where the datatype is BYTES."""

    name: str
    shape: list[int]
    datatype: str
    data: list[float | str]


class InferResponse(Struct, frozen=True, omit_defaults=True):
    """The predictions of a call; `model_version` is left out where its rows were split among versions."""

    model_name: str
    id: str
    outputs: list[OutputTensor]
    model_version: str | None = None


class TensorMetadata(Struct, frozen=True):
    """A tensor of a model; -1 is any number of rows."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(Struct, frozen=True):
    """A model, its versions that are loaded, and its tensors."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class Call(NamedTuple):
    """One call, whatever its wire: vectors (n, k), where NaN is a missing value, and the outputs asked for.

    `outputs` is empty where all are; `timeout_ms` None where the caller waits for ever.
    """

    id: str
    vectors: Matrix
    outputs: Sequence[str]
    timeout_ms: int | None


_call = msgspec.json.Decoder(InferRequest)


def read_call(body: bytes) -> Call:
    """Read a call's JSON; raises `RequestError`."""
    try:
        asked = _call.decode(body)
    except UNREADABLE as error:
        raise RequestError(
            "malformed", f"a call follows the Open Inference Protocol, so nothing was done; {error}"
        ) from None
    (tensor,) = asked.inputs
    flat: list[float | None] = []
    for value in tensor.data:
        if isinstance(value, list):
            flat += value
        else:
            flat.append(value)
    return call_of(
        asked.id,
        tensor.name,
        tensor.shape,
        np.array(flat, np.float64),
        [output.name for output in asked.outputs],
        asked.parameters.get("timeout"),
    )


def call_of(
    call_id: str, tensor: str, shape: Sequence[int], values: Matrix, outputs: Sequence[str], timeout: object
) -> Call:
    """Check what a call has, of a tensor's values (n * k,) and a timeout in us; raises `RequestError`."""
    if tensor != INPUT:
        raise RequestError(
            "wrong-tensor",
            f"a model's input is {INPUT!r}, so nothing was done; this call's is {tensor!r:.200}",
        )
    if len(shape) != 2 or not 1 <= shape[0] <= _MOST_ROWS or shape[0] * shape[1] != values.size:
        raise RequestError(
            "wrong-tensor",
            f"a tensor has the values of its shape, in 1 to {_MOST_ROWS} rows, so nothing was done; one of "
            f"shape {list(shape)!r:.200} has {values.size} values",
        )
    unknown = [name for name in outputs if name not in OUTPUTS]
    if unknown:
        raise RequestError(
            "wrong-tensor",
            f"a model's outputs are {', '.join(OUTPUTS)}, so nothing was done; this call asks for "
            f"{unknown[0]!r:.200}",
        )
    if len(call_id) > _ID_CHARACTERS:
        raise RequestError(
            "too-large",
            f"a call's id has at most {_ID_CHARACTERS} characters, so nothing was done; this one has "
            f"{len(call_id)}",
        )
    vectors = values.reshape(shape[0], shape[1])
    return Call(call_id or uuid.uuid4().hex, vectors, outputs, _milliseconds(timeout))


def _milliseconds(timeout: object) -> int | None:
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, int) or not 1 <= timeout <= _MOST_US:
        raise RequestError(
            "malformed",
            "a timeout is a whole number of microseconds, an hour at most, so nothing was done; it is "
            f"{timeout!r:.200}",
        )
    return -(-timeout // 1_000)


def requests_of(call: Call, model_name: str, version: int | None) -> list[Request]:
    """Give a request for each row; raises `RequestError`."""
    rows: list[list[float | None]] = call.vectors.tolist()
    if np.isnan(call.vectors).any():
        rows = [[None if value != value else value for value in row] for row in rows]
    ids = [call.id] if len(rows) == 1 else [f"{call.id}/{number}" for number in range(len(rows))]
    requests = [
        Request(request_id, model_name, version, vector=row, timeout_ms=call.timeout_ms)
        for request_id, row in zip(ids, rows, strict=True)
    ]
    check_size(requests[0])
    return requests


def version_of(text: str) -> int | None:
    """Read a version, None where it is empty; raises `RequestError`."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _VERSION_DIGITS):
        raise RequestError(
            "unknown-version", f"a version is a whole number, so nothing can answer for {text!r:.200}"
        )
    return int(text)


def response_of(call: Call, results: Sequence[Result]) -> InferResponse:
    """Give the answer to a call whose rows all have a prediction; raises `RequestError`."""
    versions = {result.model_version_used for result in results}
    kinds = {(len(result.outputs), result.predicted_class is not None) for result in results}
    if len(kinds) > 1:
        raise RequestError(
            "wrong-tensor",
            "the rows of a tensor are alike, so there is no answer; the rows of this call were split among "
            f"versions {sorted(map(str, versions))}, which have other outputs: name one of them",
        )
    ((_, classified),) = kinds
    if CLASS in call.outputs and not classified:
        raise RequestError(
            "wrong-tensor",
            f"a classifier has the output {CLASS}, so there is no answer; this model decides none",
        )
    there = [name for name in OUTPUTS if name != CLASS or classified]
    return InferResponse(
        results[0].model_name,
        call.id,
        [_output(name, results) for name in call.outputs or there],
        str(versions.pop()) if len(versions) == 1 else None,
    )


def _output(name: str, results: Sequence[Result]) -> OutputTensor:
    n = len(results)
    if name == PREDICTION:
        return OutputTensor(name, [n], "FP64", [_there(result.prediction) for result in results])
    if name == CLASS:
        return OutputTensor(name, [n], "BYTES", [_there(result.predicted_class) for result in results])
    width = len(results[0].outputs)
    return OutputTensor(name, [n, width], "FP64", [value for result in results for value in result.outputs])


def metadata_of(model: LoadedModel, versions: Iterable[int]) -> ModelMetadata:
    """Describe a model by one of its versions."""
    outputs = [
        TensorMetadata(PREDICTION, "FP64", [-1]),
        TensorMetadata(VALUES, "FP64", [-1, model.onnx.outputs]),
    ]
    if model.onnx.classifies:
        outputs.append(TensorMetadata(CLASS, "BYTES", [-1]))
    return ModelMetadata(
        model.name,
        [str(version) for version in sorted(versions)],
        PLATFORM,
        [TensorMetadata(INPUT, "FP64", [-1, len(model.plan.names)])],
        outputs,
    )


def _there(value: T | None) -> T:
    assert value is not None  # or the call would have been refused
    return value
