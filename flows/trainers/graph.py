"""ONNX graphs: what follows a trainer's own, up to the outputs that serving reads."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from features.training import BINARY
from flows.trainers.contract import OPSETS

_FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE)
Output = tuple[str, int, Sequence[int | None]]


class Chain:
    """Appends operations to a model's graph; `prediction` (n, 1) is the last column of its float output.

    `name` prefixes what is appended. Raises `ValueError` where the graph has not one float output.
    """

    def __init__(self, model: onnx.ModelProto, name: str) -> None:
        self._model, self._name, self._count = model, name, 0
        floats = [o.name for o in model.graph.output if o.type.tensor_type.elem_type in _FLOATS]
        if len(floats) != 1:
            raise ValueError(
                f"a trainer's graph has one float output, chances or values (found {floats}); its prediction "
                "could not be told"
            )
        # Converters state the least version that would do, none or two; `flows.export` proves the outcome.
        versions = [o.version for o in model.opset_import if o.domain == ""]
        others = [o for o in model.opset_import if o.domain != ""]
        default = helper.make_opsetid("", max([*versions, OPSETS[""]]))
        kept = [default, *(helper.make_opsetid(o.domain, o.version) for o in others)]
        del model.opset_import[:]
        model.opset_import.extend(kept)
        # The outputs' own names are free again for what comes last.
        renamed = {o.name: f"before_{name}_{o.name}" for o in model.graph.output}
        for node in model.graph.node:
            node.input[:] = [renamed.get(tensor, tensor) for tensor in node.input]
            node.output[:] = [renamed.get(tensor, tensor) for tensor in node.output]
        self.prediction = self.add("Gather", renamed[floats[0]], self.axes(-1), axis=1)

    def add(self, operation: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:  # noqa: ANN401 (ONNX's own)
        """Append an operation and give the name of its output."""
        made = output or self._next()
        self._model.graph.node.append(helper.make_node(operation, inputs, [made], **attributes))
        return made

    def number(self, value: float) -> str:
        """Add a float32 constant."""
        return self._constant(np.array(value, dtype=np.float32))

    def axes(self, *axes: int) -> str:
        """Add a constant that names axes."""
        return self._constant(np.array(axes, dtype=np.int64))

    def end(self, outputs: Sequence[Output]) -> onnx.ModelProto:
        """Give the model with these outputs: name, type and shape."""
        del self._model.graph.output[:]
        self._model.graph.output.extend(helper.make_tensor_value_info(*output) for output in outputs)
        return self._model

    def _constant(self, value: NDArray[Any]) -> str:
        name = self._next()
        self._model.graph.initializer.append(onnx.numpy_helper.from_array(value, name))
        return name

    def _next(self) -> str:
        self._count += 1
        return f"{self._name}_{self._count}"


def served(model: onnx.ModelProto, task: str, threshold: float) -> onnx.ModelProto:
    """Give a trainer's graph the outputs of a served model.

    A binary one has `label` int64 (n,), 1 where the chance is at least `threshold`, and `probabilities`
    float32 (n, 2); a regression has `value` float32 (n, 1).
    """
    chain = Chain(model, "served")
    if task != BINARY:
        chain.add("Identity", chain.prediction, output="value")
        return chain.end([("value", TensorProto.FLOAT, [None, 1])])
    limit = chain.number(not_below(threshold))
    positive = chain.add("Squeeze", chain.add("GreaterOrEqual", chain.prediction, limit), chain.axes(1))
    chain.add("Cast", positive, output="label", to=TensorProto.INT64)
    other = chain.add("Sub", chain.number(1.0), chain.prediction)
    chain.add("Concat", other, chain.prediction, output="probabilities", axis=1)
    return chain.end([("label", TensorProto.INT64, [None]), ("probabilities", TensorProto.FLOAT, [None, 2])])


def not_below(threshold: float) -> float:
    """Give the smallest float32 that is not below: a float32 chance reaches both or neither."""
    rounded = np.float32(threshold)
    return float(rounded if float(rounded) >= threshold else np.nextafter(rounded, np.float32(np.inf)))
