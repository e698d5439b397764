"""The flow that audits what was served: each vector from raw events again, and an alert where one differs."""

from dataclasses import asdict

from prefect import flow, task

from features.alerts import Alert, AlertedError, Playbook
from flows.alerting import send
from flows.context import current
from flows.parameters import Count, ModelName, Moment
from flows.retrain import await_warehouse
from flows.steps import RETRIED, show
from warehouse.audit import Audit

AUDIT = "audit"
"""The flow's name, and the policy and kind of its alerts."""


class DifferingVectorsError(AlertedError):
    """Vectors were served that the log does not give."""


@task(**RETRIED)
def recompute(audit_id: str, model_name: str, since: int, until: int, sample: int | None) -> Audit:
    """Recompute the served vectors, and keep what was found."""
    context = current()
    context.model(model_name)  # names what is unknown
    return context.audit(audit_id, model_name, since, until, sample)


@flow(name=AUDIT)
def audit(model_name: ModelName, since: Moment, until: Moment, sample: Count | None = None) -> int:
    """Audit the vectors served to requests made in [since, until) (ms), and give how many they were.

    `sample` is how many are audited; None audits all. The outcome stands in `served_vector_audit` under
    the range and the sample, however often they are audited. Where a vector differs an alert is sent, and
    the run fails with `DifferingVectorsError`.
    """
    audit_id = f"{model_name}/{since}/{until}/{'all' if sample is None else sample}"
    await_warehouse(until)
    found = recompute(audit_id, model_name, since, until, sample)
    differences = {f"{d.feature}: {d.cause}": d.vectors for d in found.differences}
    facts = {"audited": found.vectors, "differ": found.mismatches, "of other versions": found.skipped}
    show(f"audit-{model_name}", f"Audit of {audit_id}", facts | differences)
    if found.mismatches:
        alert = Alert(
            alert_id=f"{AUDIT}/{audit_id}",
            policy=AUDIT,
            kind=AUDIT,
            subject=model_name,
            severity="critical",
            evidence=asdict(found),
            at=until,
            playbook=Playbook.AUDIT,
            owner=current().model(model_name).owner,
            model_name=model_name,
        )
        send(alert.record)
        raise DifferingVectorsError(
            f"a served vector is a function of the log, and {found.mismatches} of {found.vectors} of "
            f"{model_name} differ: what served them cannot be trusted ({differences})"
        )
    return found.vectors
