"""Alerts: what somebody should know of, as records of the topics `alerts` and `alerts.states`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

SEVERITIES = ("info", "warning", "critical")
"""From the mildest on."""
ACKNOWLEDGED, RESOLVED = "acknowledged", "resolved"
"""What follows on an alert. States only go forward, so their order in the log does not matter."""
ESTIMATED, SEQUENTIAL = "estimated", "sequential"
"""The rule of `harm` in evidence that goes without labels."""
BROKEN, CHANGED = "a broken pipeline", "a change of the data"
"""What evidence `looks_like`: nothing heals itself on the first."""


class AlertedError(RuntimeError):
    """Ends what has sent an alert of its own; another try would give the same."""


class Playbook(StrEnum):
    """The documents of docs/playbooks: each tells what to do."""

    AUDIT = "audit"
    BROKEN_PIPELINE = "broken-pipeline"
    CANARY = "canary"
    DRIFT = "drift"
    FAILED_GATE = "failed-gate"
    FAILED_RUN = "failed-run"
    PERFORMANCE = "performance"
    QUIET_SOURCE = "quiet-source"
    SEGMENTS = "segments"
    STALLED_PIPELINE = "stalled-pipeline"


@dataclass(frozen=True)
class Alert:
    """One finding. Raised again under its `alert_id` it is the same one.

    `evidence` is what JSON can hold, `at` ms on the log's clock. `owner` is whose the subject is, `playbook`
    the document that tells what to do.
    """

    alert_id: str
    policy: str
    kind: str
    subject: str
    severity: str
    evidence: Mapping[str, Any]
    at: int
    playbook: Playbook
    owner: str = ""
    model_name: str | None = None

    @property
    def record(self) -> dict[str, Any]:
        """The record of `alerts`."""
        return vars(self) | {
            "evidence": json.dumps(self.evidence),
            "playbook": f"docs/playbooks/{self.playbook}.md",
        }


def incident(alert: Mapping[str, Any]) -> str:
    """Name what an alert's record belongs to: open alerts of one incident are told of together."""
    return f"{alert['kind']}/{alert['policy']}/{alert['subject']}"


def state(alert_id: str, reached: str, *, by: str, why: str, at: int) -> dict[str, Any]:
    """Give the record of `alerts.states` by which somebody acknowledges or resolves an alert."""
    return {"alert_id": alert_id, "state": reached, "by": by, "why": why, "at": at}
