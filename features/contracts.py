"""Contracts as they were applied, and what a project would change of them."""

import difflib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Any

from features.effects import Difference, Effect, differences, effect_of, same_rows
from features.errors import DefinitionError
from features.plan import Defaults, Feature, GroupPlan, in_row_order
from features.types import DataType


@dataclass(frozen=True)
class AppliedContract:
    """A group version as it stands: its contract's canonical JSON, the hash of it, and since when (ms)."""

    group: str
    version: int
    contract: str
    contract_hash: str
    applied_at: int

    @property
    def label(self) -> str:
        """`<group>.v<version>`."""
        return f"{self.group}.v{self.version}"

    @cached_property
    def stated(self) -> dict[str, Any]:
        """The contract as plain data, as `GroupPlan.to_dict` gave it."""
        return dict(json.loads(self.contract))

    @cached_property
    def features(self) -> tuple[Feature, ...]:
        """The features in row order."""
        named = (*self.stated["aggregates"], *self.stated["derived"])
        return tuple(Feature(f["name"], DataType(f["type"])) for f in named)

    @cached_property
    def defaults(self) -> Defaults:
        """The features' defaults in row order."""
        return in_row_order(self.stated.get("defaults", {}), self.features)


class ChangeKind(StrEnum):
    """What applying would do to a group version."""

    CREATE = "create"
    UNCHANGED = "unchanged"
    REFUSED = "refused"  # another contract under the same version
    ABSENT = "absent"  # applied once, not in the project any more; it is left as it is


@dataclass(frozen=True)
class Change:
    """One group version's change; `difference` is a unified diff of the canonical JSON.

    `against` is the label of the applied version that `differences` compare it with: itself where it is
    refused, the newest of its name where it is new; none where there is nothing to compare.
    """

    label: str
    kind: ChangeKind
    difference: str = ""
    against: str | None = None
    differences: tuple[Difference, ...] = ()

    @property
    def effect(self) -> Effect | None:
        """What the change does to those who read the group, where it follows another version of it."""
        return None if self.against is None else effect_of(self.differences)


def changes(plans: Iterable[GroupPlan], applied: Iterable[AppliedContract]) -> list[Change]:
    """Compare a project's groups with the contracts that were applied."""
    plans = list(plans)
    standing = {a.label: a for a in applied}
    newest = {a.group: a for a in sorted(standing.values(), key=lambda a: a.version)}
    found = []
    for plan in plans:
        before = standing.pop(plan.label, None)
        if before is None:
            found.append(_follow(Change(plan.label, ChangeKind.CREATE), newest.get(plan.name), plan))
        elif before.contract_hash == plan.contract_hash:
            found.append(Change(plan.label, ChangeKind.UNCHANGED))
        else:
            refused = Change(plan.label, ChangeKind.REFUSED, _difference(before, plan))
            found.append(_follow(refused, before, plan))
    stated = {plan.name for plan in plans}
    for label, left in standing.items():
        absent = Change(label, ChangeKind.ABSENT)
        if left.group not in stated:
            gone = Difference(Effect.REMOVAL, left.group, "no version of the group is in the project")
            absent = replace(absent, against=label, differences=(gone,))
        found.append(absent)
    return found


def _follow(change: Change, before: AppliedContract | None, plan: GroupPlan) -> Change:
    if before is None:
        return change
    found = differences(before.stated, plan.to_dict())
    return replace(change, against=before.label, differences=found)


def refuse_changed(found: Iterable[Change]) -> None:
    """Raise `DefinitionError` where a group changed under its old version, with the difference."""
    for change in found:
        if change.kind is ChangeKind.REFUSED:
            consequence = "rows of two meanings would share one name"
            if change.effect is Effect.DESCRIPTION:
                consequence = "its values stay as they were, but the contract's hash would not"
            elif same_rows(change.differences):
                consequence = "its rows stay as they were, but vectors without a fresh row would not"
            raise DefinitionError(
                f"group {change.label}",
                "a changed contract is a new version",
                f"{consequence}; raise the version. The difference:\n{change.difference}",
            )


def _difference(before: AppliedContract, plan: GroupPlan) -> str:
    lines = difflib.unified_diff(
        before.contract.splitlines(), plan.to_json().splitlines(), "applied", "project", lineterm="", n=2
    )
    return "\n".join(lines)
