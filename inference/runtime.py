"""ONNX Runtime: one session a model, one thread, float32 in and float64 out."""

import json
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import onnxruntime

Matrix = npt.NDArray[np.float64]
_FLOATS = frozenset({"tensor(float)", "tensor(double)"})
_CLASSES = frozenset({"tensor(int64)", "tensor(string)"})
_BINARY = 2
_ERRORS = 3
VECTOR = "augury.vector"
"""The key of a file's metadata under which the vector's names stand, as a JSON list."""


class UnfitModelError(ValueError):
    """A file is not a model that can serve here."""


class Predicted(NamedTuple):
    """What a model gave for n vectors: a score each (n,), all its values (n, m), and a classifier's classes.

    The score is the value, of several targets the first; of a classifier the positive class's probability,
    of more than two classes the predicted one's. `classes` is None where the model is no classifier.
    """

    scores: Matrix
    outputs: Matrix
    classes: list[str] | None


class OnnxModel:
    """A loaded model, warmed up by one run.

    `width` is the length of its vector, `vector` its names in order where the file states them, `outputs` the
    number m of its values; `classifies` where it decides on a class too. Raises `UnfitModelError` where the
    file is no ONNX model, or does not take one float matrix (n, width) and give one of floats (n, m), with a
    column of classes beside it or without.
    """

    def __init__(self, payload: bytes) -> None:
        options = onnxruntime.SessionOptions()
        # converters state the shapes of one row, of which each batch would warn
        options.log_severity_level = _ERRORS
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(payload, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the runtime's exceptions share no other base
            raise UnfitModelError(
                f"a served model is an ONNX file; this one cannot be loaded: {error}"
            ) from None
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        shape = inputs[0].shape
        if len(inputs) != 1 or len(shape) != 2 or not isinstance(shape[1], int):
            raise UnfitModelError(
                "a served model takes one matrix (n, width) of a fixed width; its vector could not be "
                f"checked (inputs {[(i.name, i.shape) for i in inputs]})"
            )
        self.width: int = shape[1]
        self.vector = _stated(self._session.get_modelmeta().custom_metadata_map.get(VECTOR))
        self._input = inputs[0].name
        floats = [o.name for o in outputs if o.type in _FLOATS]
        classes = [o.name for o in outputs if o.type in _CLASSES]
        if len(floats) != 1 or len(classes) > 1:  # a zipmap is no tensor
            raise UnfitModelError(
                "a served model has one float output, values or probabilities (zipmap off), and one of "
                "classes at most; its prediction could not be told "
                f"(outputs {[(o.name, o.type) for o in outputs]})"
            )
        self.classifies = bool(classes)
        self._names = [*floats, *classes]
        self.outputs = 0
        try:
            self.outputs = self._run(np.zeros((1, self.width)))[0].shape[1]
        except UnfitModelError:
            raise
        except Exception as error:  # as above
            raise UnfitModelError(f"a served model runs; this one does not: {error}") from None

    def predict(self, vectors: Matrix) -> Predicted:
        """Run the model for the rows of (n, width)."""
        outputs, classes = self._run(vectors)
        if classes is None:
            return Predicted(outputs[:, 0], outputs, None)
        scores = outputs[:, -1] if outputs.shape[1] <= _BINARY else outputs.max(axis=1)
        return Predicted(scores, outputs, list(map(str, classes)))

    def _run(self, vectors: Matrix) -> tuple[Matrix, list[object] | None]:
        # The only place where a vector becomes float32.
        values, *classes = self._session.run(self._names, {self._input: vectors.astype(np.float32)})
        n, size = len(vectors), values.size
        if size < n or size % n or (classes and classes[0].size != n):
            raise UnfitModelError(
                "a served model gives each row as many values as any other, and one class; outputs "
                f"{self._names} cannot be read as predictions "
                f"(shapes {[part.shape for part in (values, *classes)]})"
            )
        outputs: Matrix = values.reshape(n, size // n).astype(np.float64)
        return outputs, classes[0].ravel().tolist() if classes else None


def _stated(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    try:
        return tuple(map(str, json.loads(text)))
    except (ValueError, TypeError):
        raise UnfitModelError(
            f"a file states the names of its vector as a JSON list, under {VECTOR}; what it takes could not "
            f"be checked ({text[:200]!r})"
        ) from None
