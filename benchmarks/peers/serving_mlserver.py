"""MLServer: an ONNX model as it is, by a runtime of its own, for MLServer brings none for ONNX."""

import numpy as np
import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class OnnxRuntime(MLModel):  # type: ignore[misc]
    """One session with one thread; gives the probability of the positive class."""

    async def load(self) -> bool:
        """Load the file that the model's settings name."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            self.settings.parameters.uri, options, providers=["CPUExecutionProvider"]
        )
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer one request, whose only input is a matrix."""
        vectors = NumpyCodec.decode_input(payload.inputs[0]).astype(np.float32)
        (found,) = self._session.run(["probabilities"], {"vector": vectors})
        return InferenceResponse(
            model_name=self.name, outputs=[NumpyCodec.encode_output("prediction", found[:, 1])]
        )
