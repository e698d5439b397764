"""scikit-learn's histogram boosting; its trees are written to ONNX here, for skl2onnx refuses them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from features.training import BINARY, Parameter
from flows.trainers.contract import OPSETS, Examples, Fitted, Values, Vectors
from flows.trainers.lightgbm import not_above


class HistogramBoosting:
    """Trains scikit-learn's `HistGradientBoosting…` models, by their parameters."""

    framework = "scikit-learn"
    libraries = ("scikit-learn", "onnx")

    def complete(self, parameters: Mapping[str, Parameter]) -> dict[str, Parameter]:
        """Add the number of trees, all of which are grown: what stops early holds out rows by chance."""
        return {"max_iter": 200, "early_stopping": False, **parameters}

    def fit(
        self, examples: Examples, parameters: Mapping[str, Parameter], *, seed: int, threads: int
    ) -> Fitted:
        """Fit the trees, and round their splits to float32."""
        binary = examples.task == BINARY
        kind = HistGradientBoostingClassifier if binary else HistGradientBoostingRegressor
        model = kind(**self.complete(parameters), random_state=seed)
        with threadpool_limits(threads, user_api="openmp"):  # another number may give another last bit
            model.fit(examples.vectors.astype(np.float64), examples.labels)
        for (tree,) in model._predictors:
            tree.nodes["num_threshold"] = not_above(tree.nodes["num_threshold"])
        return _Trees(model, examples.vectors.shape[1], binary)


@dataclass(frozen=True)
class _Trees:
    model: Any
    width: int
    binary: bool

    def predict(self, vectors: Vectors) -> Values:
        given = vectors.astype(np.float64)
        return np.asarray(self.model.predict_proba(given)[:, 1] if self.binary else self.model.predict(given))

    def graph(self) -> onnx.ModelProto:
        raw = "raw" if self.binary else "value"
        trees = helper.make_node(
            "TreeEnsembleRegressor",
            ["vector"],
            [raw],
            domain="ai.onnx.ml",
            n_targets=1,
            base_values=[float(self.model._baseline_prediction.item())],
            **_ensemble([tree.nodes for (tree,) in self.model._predictors]),
        )
        nodes = [trees, helper.make_node("Sigmoid", [raw], ["value"])] if self.binary else [trees]
        graph = helper.make_graph(
            nodes,
            "model",
            [helper.make_tensor_value_info("vector", TensorProto.FLOAT, [None, self.width])],
            [helper.make_tensor_value_info("value", TensorProto.FLOAT, [None, 1])],
        )
        opsets = [helper.make_opsetid(domain, version) for domain, version in OPSETS.items()]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def _ensemble(trees: list[Any]) -> dict[str, Any]:
    """Write the nodes of all trees as the attributes of one ensemble; the targets are leaves' values."""
    nodes = np.concatenate(trees)
    tree = np.repeat(np.arange(len(trees)), [len(t) for t in trees]).tolist()
    node = np.concatenate([np.arange(len(t)) for t in trees]).tolist()
    leaf = nodes["is_leaf"].astype(bool)
    return {
        "nodes_treeids": tree,
        "nodes_nodeids": node,
        "nodes_featureids": np.where(leaf, 0, nodes["feature_idx"]).tolist(),
        "nodes_values": np.where(leaf, 0.0, nodes["num_threshold"]).tolist(),
        "nodes_modes": np.where(leaf, "LEAF", "BRANCH_LEQ").tolist(),
        "nodes_truenodeids": np.where(leaf, 0, nodes["left"]).tolist(),
        "nodes_falsenodeids": np.where(leaf, 0, nodes["right"]).tolist(),
        "nodes_missing_value_tracks_true": np.where(leaf, 0, nodes["missing_go_to_left"]).tolist(),
        "target_treeids": [t for t, is_leaf in zip(tree, leaf, strict=True) if is_leaf],
        "target_nodeids": [n for n, is_leaf in zip(node, leaf, strict=True) if is_leaf],
        "target_ids": [0] * int(leaf.sum()),
        "target_weights": nodes["value"][leaf].tolist(),
    }
