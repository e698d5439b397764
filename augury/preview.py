"""What applying a project would change, what that costs, and whom it touches."""

from collections.abc import Iterable
from dataclasses import dataclass

from augury.apply import compiled
from augury.clients import warehouse
from augury.models import registry
from augury.settings import Settings
from features.contracts import Change, ChangeKind, changes
from features.project import Project
from features.uses import Use, uses
from features.vector import ModelPlan
from inference.registry import ModelStatus, Registry
from warehouse.backfill import events_held
from warehouse.contracts import applied


@dataclass(frozen=True)
class Preview:
    """The changes, in the project's order; the events that a backfill of each new group reads; the readers.

    `events` is by label; `uses` has every reader of every group version, changed or not.
    """

    changes: list[Change]
    events: dict[str, int]
    uses: list[Use]

    def readers(self, change: Change) -> list[Use]:
        """List who reads the version that the change follows: who is touched by a move to the new one."""
        return [use for use in self.uses if use.label == change.against]


def preview(project: Project, settings: Settings) -> Preview:
    """Compile the project and compare it with what stands. Raises `DefinitionError` for a mistake."""
    plans = compiled(project)
    client = warehouse(settings)
    try:
        found = changes(plans, applied(client))
        created = {change.label for change in found if change.kind is ChangeKind.CREATE}
        events = {p.label: sum(events_held(client, s) for s in p.inputs) for p in plans if p.label in created}
    finally:
        client.close()
    return Preview(found, events, all_uses(project.model_plans.values(), registry(settings)))


def all_uses(defined: Iterable[ModelPlan], held: Registry) -> list[Use]:
    """List what the defined models read, and what each registered version reads that was not rejected."""
    found = [use for plan in defined for use in uses(plan)]
    for name in held.models():
        for version in held.versions(name):
            if version.status is not ModelStatus.REJECTED:
                plan = ModelPlan.from_dict(version.signature)
                found += uses(plan, version.version, version.status.value)
    return found
