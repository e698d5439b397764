"""ONNX Runtime: one session a model, one thread, float32 in and float64 out."""

import numpy as np
import numpy.typing as npt
import onnxruntime

Matrix = npt.NDArray[np.float64]


class UnfitModelError(ValueError):
    """A file is not a model that can serve here."""


class OnnxModel:
    """A loaded model, warmed up by one run. `width` is the length of its vector.

    Raises `UnfitModelError` where the file is no ONNX model, or does not take one float matrix (n, width)
    and give a column of values, or two columns of probabilities.
    """

    def __init__(self, payload: bytes) -> None:
        options = onnxruntime.SessionOptions()
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
        self._input = inputs[0].name
        floats = [o.name for o in outputs if o.type in ("tensor(float)", "tensor(double)")]
        if len(floats) != 1:  # a classifier's label is no float, and a zipmap no tensor
            raise UnfitModelError(
                "a served model has one float output, values or probabilities (zipmap off); its prediction "
                f"could not be told (outputs {[(o.name, o.type) for o in outputs]})"
            )
        self._output = floats[0]
        try:
            self.predict(np.zeros((1, self.width)))
        except UnfitModelError:
            raise
        except Exception as error:  # as above
            raise UnfitModelError(f"a served model runs; this one does not: {error}") from None

    def predict(self, vectors: Matrix) -> Matrix:
        """Give the probability of the positive class, or the regression's value, for each row (n, width)."""
        # The only place where a vector becomes float32.
        (found,) = self._session.run([self._output], {self._input: vectors.astype(np.float32)})
        if found.size not in (len(vectors), 2 * len(vectors)):
            raise UnfitModelError(
                "a served model gives one value a row, or the probabilities of two classes; output "
                f"{self._output!r} cannot be read as a prediction (shape {found.shape})"
            )
        return np.asarray(found.reshape(len(vectors), -1)[:, -1], dtype=np.float64)
