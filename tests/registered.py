"""Versions in a registry that nothing trained."""

from collections.abc import Mapping
from typing import Any

from inference.registry import Registry


def register(
    registry: Registry, name: str, signature: Mapping[str, Any], *, by: str = "ann", why: str = "a test"
) -> int:
    """Register a version of a model without an artifact, and give its number."""
    experiment = registry.experiments.record(
        model_type="lightgbm",
        hyperparameters={},
        training_dataset_version="1",
        feature_group_versions={},
        evaluation_metrics={},
        artifact_path="",
        code_version="",
        environment={},
        seed=1,
    )
    stored = {"artifact_uri": "", "sha256": "", "framework": "", "serving_flavour": "onnx"}
    version = registry.register(
        name, **stored, signature=dict(signature), experiment_id=experiment, by=by, why=why
    )
    return version.version
