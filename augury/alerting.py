"""What people and flows do with alerts that are open: acknowledge them, resolve them."""

from augury.clients import send_states
from augury.settings import Settings
from features.alerts import RESOLVED, state
from warehouse.alerts import Incident, open_incidents, past_incidents
from warehouse.client import Client


class UnknownAlertError(LookupError):
    """No open alert has the name."""


def find(client: Client, named: str) -> Incident:
    """Give the open incident that is named, by itself or by one of its alerts. Raises `UnknownAlertError`."""
    there = open_incidents(client)
    for incident in there:
        if named in (incident.incident, *incident.alert_ids):
            return incident
    known = ", ".join(i.incident for i in there) or "none is"
    raise UnknownAlertError(
        f"an alert that is open is shown, acknowledged or resolved ({known}); {named!r} is not"
    )


def find_any(client: Client, named: str) -> Incident:
    """Give the open incident that is named, or else the last of the past. Raises `UnknownAlertError`."""
    try:
        return find(client, named)
    except UnknownAlertError:
        for incident in reversed(past_incidents(client)):
            if named in (incident.incident, *incident.alert_ids):
                return incident
        raise


def advance(settings: Settings, incident: Incident, reached: str, *, by: str, why: str, at: int) -> None:
    """Bring the alerts of an open incident to a state."""
    states = [state(i, reached, by=by, why=why, at=at) for i in incident.alert_ids]
    send_states(settings, states)


def resolve(settings: Settings, client: Client, incident: str, why: str, at: int) -> None:
    """Resolve the open alerts of an incident, if there are any."""
    for there in open_incidents(client):
        if there.incident == incident:
            advance(settings, there, RESOLVED, by="augury", why=why, at=at)
