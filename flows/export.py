"""Export to ONNX, with proof that the exported model says what the trained one says."""

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType

from flows.training import Trained

TOLERANCE = 1e-5
"""The largest difference of a probability; ONNX Runtime sums the trees' leaves as float32."""
_CHECKED_ROWS = 20_000
_NAN_ROWS = 200
_OPSET = 15


class ExportMismatchError(RuntimeError):
    """The exported model differs from the trained one; `worst` is the largest difference of a probability."""

    def __init__(self, worst: float, rows: int) -> None:
        self.worst = worst
        super().__init__(
            f"an exported model's probabilities are within {TOLERANCE:g} of its trainer's (worst difference "
            f"{worst:g} on {rows} rows); it is not the model that was evaluated, so it is not registered"
        )


def export(trained: Trained) -> bytes:
    """Give the model as ONNX: input `vector` float32 (n, k); outputs `label` and `probabilities` (n, 2).

    It is compared with the trainer on the holdout, and on holdout rows with each feature missing in
    turn. Raises `ExportMismatchError` where they differ by more than `TOLERANCE`.
    """
    width = len(trained.features)
    trained_onnx = convert_lightgbm(
        trained.booster,
        name="model",  # else a random one, and each export another hash
        initial_types=[("vector", FloatTensorType([None, width]))],
        target_opset=_OPSET,
        zipmap=False,
    )
    payload: bytes = trained_onnx.SerializeToString()
    check(payload, trained)
    return payload


def check(payload: bytes, trained: Trained) -> float:
    """Give the largest difference of a probability between the export and its trainer, or raise."""
    vectors = _probes(trained.holdout.vectors)
    expected = np.asarray(trained.booster.predict(vectors.astype(np.float64), num_threads=1))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(payload, options, providers=["CPUExecutionProvider"])
    (probabilities,) = session.run(["probabilities"], {"vector": vectors})
    worst = float(np.max(np.abs(probabilities[:, 1].astype(np.float64) - expected)))
    if not worst <= TOLERANCE:  # so that NaN is refused too
        raise ExportMismatchError(worst, len(vectors))
    return worst


def _probes(holdout: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give holdout rows, and some of them again with each feature missing in turn."""
    probes = [holdout[:_CHECKED_ROWS]]
    for column in range(holdout.shape[1]):
        without = holdout[:_NAN_ROWS].copy()
        without[:, column] = np.nan
        probes.append(without)
    return np.concatenate(probes)
