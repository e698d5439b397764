"""Versions in a registry that nothing trained."""

from collections.abc import Mapping
from typing import Any

from inference.registry import Registry


def register(
    registry: Registry,
    name: str,
    signature: Mapping[str, Any],
    *,
    by: str = "ann",
    why: str = "a test",
    experiment: str | None = None,
) -> int:
    """Register a version of a model without an artifact, of an experiment, and give its number."""
    recorded = registry.experiments.record(
        experiment_id=experiment,
        model_type="lightgbm",
        hyperparameters={},
        training_dataset_version="d@1",
        feature_group_versions={},
        evaluation_metrics={},
        artifact_path="",
        code_version="test",
        environment={},
        seed=1,
    )
    version = registry.register(
        name,
        artifact_uri="file:///none",
        sha256="0",
        framework="lightgbm",
        serving_flavour="onnx",
        signature=dict(signature),
        experiment_id=recorded,
        by=by,
        why=why,
    )
    return version.version
