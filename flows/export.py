"""Export to ONNX, with proof that the exported model says what the trained one says."""

import json

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx.helper import set_model_props

from features.training import BINARY
from flows.trainers import Values, served
from flows.training import Trained
from inference.runtime import VECTOR

TOLERANCE = 1e-5
"""The largest difference of a chance, or of a value by the spread of values: ONNX Runtime sums in float32."""
_CHECKED_ROWS = 20_000
_NAN_ROWS = 200


class ExportMismatchError(RuntimeError):
    """The exported model differs from the trained one; `worst` is the largest difference, as `TOLERANCE`."""

    def __init__(self, worst: float, rows: int) -> None:
        self.worst = worst
        super().__init__(
            f"an exported model's predictions are within {TOLERANCE:g} of its trainer's (worst difference "
            f"{worst:g} on {rows} rows); it is not the model that was evaluated, so it is not registered"
        )


def export(trained: Trained) -> bytes:
    """Give the model as ONNX: input `vector` float32 (n, k), outputs as `flows.trainers.served` states them.

    Its metadata name the k features in their order.

    It is compared with the trainer on the holdout, and on holdout rows with each feature missing in
    turn. Raises `ExportMismatchError` where they differ by more than `TOLERANCE`.
    """
    recipe = trained.recipe
    model = served(trained.fitted.graph(), recipe.task, recipe.threshold)
    set_model_props(model, {VECTOR: json.dumps(recipe.features)})
    payload: bytes = model.SerializeToString(deterministic=True)
    check(payload, trained)
    return payload


def check(payload: bytes, trained: Trained) -> float:
    """Give the largest difference between the export and its trainer, or raise `ExportMismatchError`."""
    vectors = _probes(trained.holdout.vectors)
    expected = trained.fitted.predict(vectors)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(payload, options, providers=["CPUExecutionProvider"])
    binary = trained.recipe.task == BINARY
    (found,) = session.run(["probabilities" if binary else "value"], {"vector": vectors})
    worst = float(np.max(np.abs(found[:, -1].astype(np.float64) - expected)))
    if not binary:
        worst /= _spread(expected)
    if not worst <= TOLERANCE:  # so that NaN is refused too
        raise ExportMismatchError(worst, len(vectors))
    return worst


def _spread(values: Values) -> float:
    """Give the scale of values: how far they reach, or how large they are where they do not vary."""
    return float(np.ptp(values)) or float(np.max(np.abs(values))) or 1.0


def _probes(holdout: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give holdout rows, and some of them again with each feature missing in turn."""
    probes = [holdout[:_CHECKED_ROWS]]
    for column in range(holdout.shape[1]):
        without = holdout[:_NAN_ROWS].copy()
        without[:, column] = np.nan
        probes.append(without)
    return np.concatenate(probes)
