"""How people are told: chat, mail and webhooks by Apprise, and events in Prefect."""

import json
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import NAMESPACE_URL, uuid5

import apprise
import httpx

from flows.failures import RUN
from flows.incidents import ENDED, Notice
from flows.notifier import Channel
from flows.runs import prefect_client

log = logging.getLogger(__name__)
# Apprise names addresses where it fails, and addresses hold passwords.
logging.getLogger("apprise").setLevel(logging.CRITICAL)

_TYPES = {"info": apprise.NotifyType.INFO, "warning": apprise.NotifyType.WARNING}

_ITEMS = 5
"""How many items of a list a message has: it is to be read on a phone."""


class ChannelError(ValueError):
    """An address is none that Apprise knows."""


def by_apprise(urls: Sequence[str], documents: str = "") -> dict[str, Channel]:
    """Give a channel for each of Apprise's URLs, named by its place and service, never by its address.

    `documents` is where playbooks are found, such as a repository's URL. Raises `ChannelError`.
    """
    return dict(_channel(place, url, documents) for place, url in enumerate(urls, 1))


def _channel(place: int, url: str, documents: str) -> tuple[str, Channel]:
    service = apprise.Apprise.instantiate(url, suppress_exceptions=True)
    if service is None:
        raise ChannelError(
            "alerts are sent to the URLs of AUGURY_ALERT_URLS, as Apprise writes them; the one at place "
            f"{place} is none (it is not shown, for it may hold a password)"
        )

    def tell(notice: Notice) -> bool:
        kind = _TYPES.get(str(notice.alert["severity"]), apprise.NotifyType.FAILURE)
        kind = apprise.NotifyType.SUCCESS if notice.kind == ENDED else kind
        return bool(service.notify(title=title(notice), body=body(notice, documents), notify_type=kind))

    return f"{place} ({service.service_name})", tell


def title(notice: Notice) -> str:
    """Give the one line that says it all."""
    alert = notice.alert
    return f"{alert['kind']} of {alert['subject']}: {notice.kind} ({alert['severity']})"


def body(notice: Notice, documents: str = "") -> str:
    """Give what somebody needs to begin: evidence, owner, playbook, and how to answer."""
    alert = notice.alert
    facts = json.loads(alert["evidence"])
    lines = [
        f"policy: {alert['policy']}",
        f"at: {datetime.fromtimestamp(alert['at'] / 1000, UTC).isoformat()}",
        *(line for name, value in facts.items() for line in _lines(name, value)),
        f"owner: {alert['owner'] or 'nobody is named'}",
        f"playbook: {documents.rstrip('/') + '/' if documents else ''}{alert['playbook']}",
        f"{'the run' if alert['kind'] == RUN else 'the events behind it'}: "
        f"augury alerts show '{notice.incident}'",
        f"augury alerts ack '{notice.incident}'",
    ]
    return "\n".join(lines)


def _lines(name: str, value: object) -> list[str]:
    """Give a fact as lines: one for each item of a list, of a long one for the first `_ITEMS`."""
    if not isinstance(value, list):
        return [] if value is None else [f"{name}: {_text(value)}"]
    lines = [f"{name}: {_text(item)}" for item in value[:_ITEMS]]
    return lines if len(value) <= _ITEMS else [*lines, f"{name}: {len(value) - _ITEMS} more"]


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {_text(v)}" for k, v in value.items() if v not in (None, "", []))
    if isinstance(value, list):
        return " and ".join(map(_text, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


class PrefectEvents:
    """Emits an event of Prefect for each notice, on the server at `api_url`; `auth` is its "user:password".

    Prefect may lose what it has just taken, so the event is for its feed and its automations alone.
    """

    def __init__(self, api_url: str, auth: str | None = None) -> None:
        self._http = prefect_client(api_url, auth)

    def __call__(self, notice: Notice) -> bool:
        """Emit; what is emitted twice has one id."""
        alert = notice.alert
        event = {
            "id": str(uuid5(NAMESPACE_URL, f"{alert['alert_id']}/{notice.kind}")),
            "occurred": datetime.fromtimestamp(alert["at"] / 1000, UTC).isoformat(),
            "event": f"augury.alert.{notice.kind.replace(' ', '-')}",
            "resource": {"prefect.resource.id": f"augury.alert.{notice.incident}"},
            "payload": {**alert, "evidence": json.loads(alert["evidence"])},
        }
        try:
            return self._http.post("/events", json=[event]).is_success
        except httpx.HTTPError as error:
            log.warning("Prefect did not take an event: %s", error)
            return False

    def close(self) -> None:
        """Close the connections."""
        self._http.close()
