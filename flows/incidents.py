"""When somebody is told of an alert: pure, out of the records of the log in whatever order they come."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from features.alerts import ACKNOWLEDGED, RESOLVED, SEVERITIES, incident

OPENED, WORSE, GOES_ON, ENDED = "opened", "worse", "goes on", "resolved"
"""Why somebody is told."""


@dataclass(frozen=True)
class Notice:
    """What somebody is told: of which incident, why, by its newest alert's record."""

    incident: str
    kind: str
    alert: Mapping[str, Any]


@dataclass
class _Open:
    newest: Mapping[str, Any]
    told: int  # rank of the severity that was told
    told_at: int
    alerts: set[str] = field(default_factory=set)


class Incidents:
    """The open incidents, by what was read so far; each is told of when it opens, grows worse and ends.

    One that goes on is told of again with the first alert `repeat_ms` after the last notice, on the clock of
    its alerts; one that was acknowledged is not, until it grows worse.
    """

    def __init__(self, repeat_ms: int) -> None:
        self._repeat_ms = repeat_ms
        self._open: dict[str, _Open] = {}
        self._resolved: set[str] = set()
        self._acknowledged: set[str] = set()

    def on_alert(self, alert: Mapping[str, Any]) -> Notice | None:
        """Take a record of `alerts`; an alert that was read before, or was resolved, tells nothing."""
        if alert["alert_id"] in self._resolved:
            return None
        name, rank = incident(alert), _rank(alert)
        held = self._open.get(name)
        if held is None:
            self._open[name] = _Open(alert, rank, alert["at"], {alert["alert_id"]})
            return Notice(name, OPENED, alert)
        if alert["alert_id"] in held.alerts:
            return None
        held.alerts.add(alert["alert_id"])
        held.newest = alert
        if rank > held.told:
            held.told, held.told_at = rank, alert["at"]
            return Notice(name, WORSE, alert)
        if held.alerts & self._acknowledged or alert["at"] < held.told_at + self._repeat_ms:
            return None
        held.told_at = alert["at"]
        return Notice(name, GOES_ON, alert)

    def on_state(self, state: Mapping[str, Any]) -> Notice | None:
        """Take a record of `alerts.states`; the last alert of an incident that is resolved ends it."""
        if state["state"] == ACKNOWLEDGED:
            self._acknowledged.add(state["alert_id"])
        if state["state"] != RESOLVED:
            return None
        self._resolved.add(state["alert_id"])
        for name, held in self._open.items():
            if state["alert_id"] in held.alerts:
                held.alerts.discard(state["alert_id"])
                if held.alerts:
                    return None
                del self._open[name]
                return Notice(name, ENDED, held.newest)
        return None


def _rank(alert: Mapping[str, Any]) -> int:
    severity = alert["severity"]
    return SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)
