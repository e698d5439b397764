"""The audit as the flows ask for it: rows computed anew from raw events, the comparison, its record."""

from dataclasses import dataclass

from features.project import Project
from warehouse.audit import Audit, audit
from warehouse.audits import keep
from warehouse.backfill import backfill, log_clock
from warehouse.client import Client
from warehouse.visible import visible_lag

_EVER = -(2**50)  # before every row


class BehindError(RuntimeError):
    """The warehouse's clock has not come as far as the range that is audited."""


@dataclass(frozen=True)
class Auditor:
    """Audits served vectors; each audit is kept in `served_vector_audit`."""

    client: Client
    project: Project

    def __call__(self, audit_id: str, model_name: str, since: int, until: int, sample: int | None) -> Audit:
        """Compute the rows of the model's groups anew, compare the served vectors with them, and keep it.

        Raises `BehindError` where events before `until` may be missing, `LookupError` for a model whose
        vector has no stored features.
        """
        plan = self.project.model_plans[model_name]
        if not plan.groups:
            raise LookupError(
                f"the audit goes by the rows that vectors hold, and {model_name} reads no group"
            )
        for group in (self.project.group_plans[g.label] for g in plan.groups):
            clock = log_clock(self.client, *group.inputs)
            if clock is None or clock < until:
                topics = " and ".join(source.topic for source in group.inputs)
                raise BehindError(
                    f"a range ends at the latest where the warehouse's clock of {topics} stands, "
                    f"at {clock} ms; rows up to {until} ms would miss events"
                )
            backfill(self.client, group, _EVER, until)
        found = audit(self.client, plan, since, until, sample)
        lag = visible_lag(self.client, plan, since, until, sample)
        keep(self.client, audit_id, model_name, since, until, sample, found, lag)
        return found
