"""The flow that answers harm by the champion before: it serves again, at once."""

from prefect import flow, task

from flows.context import current
from flows.parameters import ModelName, Version
from flows.retrain import publish_changes
from flows.steps import RETRIED, show
from flows.triggers import FALL_BACK
from inference.registry import ConflictError

BY = "monitoring"
"""Who falls back by themselves."""


@task(**RETRIED)
def bring_back(model_name: str, version: int, why: str) -> str:
    """Bring back the champion that `version` replaced, or say why that is not done."""
    try:
        back = current().registry.rollback(model_name, by=BY, why=why, of=version)
    except ConflictError as conflict:
        return str(conflict)
    return f"version {back.version} serves again"


@flow(name=FALL_BACK)
def fall_back(model_name: ModelName, version: Version, alert_id: str, policy: str) -> str:
    """Bring back the champion before `version`, which does harm; give what came of it.

    Where another is champion meanwhile, also by a run of this flow that was killed, nothing is changed.
    """
    outcome = bring_back(model_name, version, f"version {version} does harm by {policy} (alert {alert_id})")
    publish_changes()
    show(f"fall-back-{model_name}", f"{model_name} fell back", {"version": version, "outcome": outcome})
    return outcome
