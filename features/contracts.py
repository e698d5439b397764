"""Contracts as they were applied, and what a project would change of them."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from features.errors import DefinitionError
from features.plan import GroupPlan


@dataclass(frozen=True)
class AppliedContract:
    """A group version as it stands: its contract's canonical JSON and the hash of it."""

    group: str
    version: int
    contract: str
    contract_hash: str

    @property
    def label(self) -> str:
        """`<group>.v<version>`."""
        return f"{self.group}.v{self.version}"


class ChangeKind(StrEnum):
    """What applying would do to a group version."""

    CREATE = "create"
    UNCHANGED = "unchanged"
    REFUSED = "refused"  # another contract under the same version
    ABSENT = "absent"  # applied once, not in the project any more; it is left as it is


@dataclass(frozen=True)
class Change:
    """One group version's change; `difference` is a unified diff of the canonical JSON."""

    label: str
    kind: ChangeKind
    difference: str = ""


def changes(plans: Iterable[GroupPlan], applied: Iterable[AppliedContract]) -> list[Change]:
    """Compare a project's groups with the contracts that were applied."""
    standing = {a.label: a for a in applied}
    found = []
    for plan in plans:
        before = standing.pop(plan.label, None)
        if before is None:
            found.append(Change(plan.label, ChangeKind.CREATE))
        elif before.contract_hash == plan.contract_hash:
            found.append(Change(plan.label, ChangeKind.UNCHANGED))
        else:
            found.append(Change(plan.label, ChangeKind.REFUSED, _difference(before, plan)))
    found += [Change(label, ChangeKind.ABSENT) for label in standing]
    return found


def refuse_changed(found: Iterable[Change]) -> None:
    """Raise `DefinitionError` where a group changed under its old version, with the difference."""
    for change in found:
        if change.kind is ChangeKind.REFUSED:
            raise DefinitionError(
                f"group {change.label}",
                "a changed contract is a new version",
                "rows of two meanings would share one name; raise the version. The difference:\n"
                + change.difference,
            )


def _difference(before: AppliedContract, plan: GroupPlan) -> str:
    lines = difflib.unified_diff(
        before.contract.splitlines(), plan.to_json().splitlines(), "applied", "project", lineterm="", n=2
    )
    return "\n".join(lines)
