"""Champions that a benchmark brings, as if somebody had trained and promoted them."""

from augury.models import artifacts
from augury.settings import Settings
from features.vector import ModelPlan
from inference.registry import Registry

BY, _WHY = "benchmark", "to be measured"


def crown(settings: Settings, held: Registry, plan: ModelPlan, name: str, payload: bytes) -> str:
    """Make an ONNX file, whose vector `plan` states, a model's champion; give its experiment."""
    uri, sha256 = artifacts(settings).put(name, payload)
    experiment = held.experiments.record(
        model_type="lightgbm",
        hyperparameters={},
        training_dataset_version=BY,
        feature_group_versions={g.group: g.version for g in plan.groups},
        evaluation_metrics={},
        artifact_path=uri,
        code_version=BY,
        environment={},
        seed=1,
    )
    version = held.register(
        name,
        artifact_uri=uri,
        sha256=sha256,
        framework="lightgbm",
        serving_flavour="onnx",
        signature=plan.to_dict() | {"name": name},
        experiment_id=experiment,
        by=BY,
        why=_WHY,
    )
    if held.champion(name) is not None:  # over another only what was on trial is promoted
        held.start_trial(name, version.version, by=BY, why=_WHY)
    held.promote(name, version.version, by=BY, why=_WHY)
    return experiment
