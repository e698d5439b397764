"""The ledger of a trial: which of its units count, with which labels, by the policy's rules.

A unit counts once its label window has closed: `horizon` after the request on the log's clock. What the log
holds by then is settled; nothing that comes later changes it, so a later look says the same of it.

- on time: a report that the log took within the horizon, and that came true no earlier than the request
- corrected: of several reports on time the last one that the log took counts
- late: what the log took after the horizon does not count; it is told, as a late label or, where another had
  counted, as a late correction
- missing: without a report on time the unit is dropped, or has the outcome that the policy states
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from features.evaluation import EvaluationPolicy
from flows.units import Assignment, Unit


@dataclass(frozen=True)
class Ledger:
    """What became of a trial's units at a look; `since` and `until` are the first and the last request (ms).

    `open` units wait for their windows to close. Of the `closed` ones `unanswered` lack a prediction, and
    `labelled` have a label that was reported on time, `corrected` of them another than first; `missing` have
    none. `late` is how many of the missing ones had a label after all, `corrected_late` how many were
    corrected in vain.
    """

    since: int | None = None
    until: int | None = None
    open: int = 0
    closed: int = 0
    unanswered: int = 0
    labelled: int = 0
    corrected: int = 0
    missing: int = 0
    late: int = 0
    corrected_late: int = 0


def settle(
    assignments: Iterable[Assignment], policy: EvaluationPolicy, until: int
) -> tuple[list[Unit], Ledger]:
    """Give the units whose label windows had closed at `until` (ms), and the ledger.

    `assignments` stand in order of request, and so do the units.
    """
    units: list[Unit] = []
    held = Ledger()
    for at in assignments:
        closes = at.requested + policy.horizon_ms
        held = replace(held, since=at.requested if held.since is None else held.since, until=at.requested)
        if closes > until:
            held = replace(held, open=held.open + 1)
            continue
        said = [r for r in at.reports if r.happened >= at.requested]
        timely = [r.label for r in said if r.arrived <= closes]
        after = [r.label for r in said if r.arrived > closes]
        label = timely[-1] if timely else policy.missing
        held = replace(
            held,
            closed=held.closed + 1,
            unanswered=held.unanswered + (not at.answers.answered),
            labelled=held.labelled + bool(timely),
            corrected=held.corrected + (len(set(timely)) > 1),
            missing=held.missing + (not timely),
            late=held.late + (bool(after) and not timely),
            corrected_late=held.corrected_late + (bool(timely) and any(v != timely[-1] for v in after)),
        )
        units.append(replace(at.answers, label=label))
    return units, held
