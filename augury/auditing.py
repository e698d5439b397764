"""The audit as the flows ask for it: rows computed anew from raw events, the comparison, its record."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from features.cutover import Routes, reroute
from features.project import Project
from features.vector import ModelPlan
from warehouse.audit import Audit, Difference, audit
from warehouse.audits import keep
from warehouse.backfill import MEMORY, backfill, log_clock
from warehouse.client import Client
from warehouse.visible import visible_lag

_EVER = -(2**50)  # before every row


class BehindError(RuntimeError):
    """The warehouse's clock has not come as far as the range that is audited."""


@dataclass(frozen=True)
class Auditor:
    """Audits served vectors; each audit is kept in `served_vector_audit`.

    `memory` (bytes) bounds the backfill; `routes` gives the versions of groups that were cut over to.
    """

    client: Client
    project: Project
    memory: int = MEMORY
    routes: Callable[[], Routes] = dict

    def __call__(self, audit_id: str, model_name: str, since: int, until: int, sample: int | None) -> Audit:
        """Compute the rows of the model's groups anew, compare the served vectors with them, and keep it.

        Where a group was cut over, the vectors with rows of the version that is read now are audited too, and
        kept under an id of their own. Raises `BehindError` where events before `until` may be missing,
        `LookupError` for a model whose vector has no stored features, or reads a group that has left the
        project.
        """
        plan = self.project.model_plans[model_name]
        if not plan.groups:
            raise LookupError(
                f"the audit goes by the rows that vectors hold, and {model_name} reads no group"
            )
        rerouted = reroute(plan, self.routes())
        found = self._audit(audit_id, plan, since, until, sample)
        if rerouted == plan:
            return found
        labels = ", ".join(group.label for group in rerouted.groups)
        return together(found, self._audit(f"{audit_id} on {labels}", rerouted, since, until, sample))

    def _audit(self, audit_id: str, plan: ModelPlan, since: int, until: int, sample: int | None) -> Audit:
        for label in (group.label for group in plan.groups):
            if label not in self.project.group_plans:
                raise LookupError(f"rows are computed by the project's definition, and it has no {label}")
            group = self.project.group_plans[label]
            clock = log_clock(self.client, *group.inputs)
            if clock is None or clock < until:
                topics = " and ".join(source.topic for source in group.inputs)
                raise BehindError(
                    f"a range ends at the latest where the warehouse's clock of {topics} stands, "
                    f"at {clock} ms; rows up to {until} ms would miss events"
                )
            backfill(self.client, group, _EVER, until, memory=self.memory)
        found = audit(self.client, plan, since, until, sample, inexact=self.project.inexact(plan))
        lag = visible_lag(self.client, plan, since, until, sample)
        keep(self.client, audit_id, plan.name, since, until, sample, found, lag)
        return found


def together(one: Audit, other: Audit) -> Audit:
    """Add up the audits of two versions of a vector; what the other audited, the one did not skip."""
    counted = Counter({(d.feature, d.cause): d.vectors for d in one.differences})
    counted.update({(d.feature, d.cause): d.vectors for d in other.differences})
    return Audit(
        one.vectors + other.vectors,
        one.mismatches + other.mismatches,
        tuple(Difference(*key, vectors) for key, vectors in sorted(counted.items())),
        max(0, one.skipped - other.vectors),
    )
