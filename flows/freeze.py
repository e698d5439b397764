"""The flow that answers a broken pipeline: what looks broken is served at its default, until it is thawed."""

from prefect import flow, task

from flows.context import current
from flows.parameters import FeatureName, ModelName
from flows.retrain import publish_changes
from flows.steps import RETRIED, show
from flows.triggers import FREEZE
from inference.registry import ConflictError

BY = "drift"
"""Who freezes by themselves."""


@task(**RETRIED)
def freeze_one(model_name: str, feature: str, why: str, alert_id: str) -> str:
    """Freeze a feature, or say why that is not done."""
    try:
        frozen = current().registry.freezes.freeze(model_name, feature, by=BY, why=why, alert_id=alert_id)
    except ConflictError as conflict:
        return str(conflict)
    return "frozen at its default" if frozen else "frozen already"


@flow(name=FREEZE)
def freeze_features(
    model_name: ModelName, features: list[FeatureName], alert_id: str, policy: str
) -> dict[str, str]:
    """Freeze the features (`<group>.<feature>`) that an alert shows as broken; give what came of each.

    One that is frozen already, also by a run of this flow that was killed, stays as it is.
    """
    why = f"it looks broken by {policy} (alert {alert_id})"
    outcomes = {feature: freeze_one(model_name, feature, why, alert_id) for feature in features}
    publish_changes()
    show(f"freeze-{model_name}", f"Features of {model_name} frozen by {alert_id}", outcomes)
    return outcomes
