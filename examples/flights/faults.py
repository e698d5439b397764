"""What goes wrong with the flights and their sources, as pure changes of their streams of events.

A fault changes the events that arrive while it is on, on the log's clock, and leaves all others as they are.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from augury.replay import Event
from examples.flights.project import flight_departed, flight_landed, weather_observed

MEASURES = tuple(
    name
    for name in weather_observed.columns
    if name not in (weather_observed.event_id, weather_observed.event_time, weather_observed.partition_key)
)
"""What an observation measures."""
INCHES_OF_MERCURY = 0.0295300
"""A millibar."""
_NEW_YORK, _NOON, _WAIT_MINUTES = ZoneInfo("America/New_York"), 12, 40.0

Streams = Callable[[int, int], list[Iterator[Event]]]
"""The sources' events that arrived in [start, end), ms since the epoch: one stream a source."""


@dataclass(frozen=True)
class Fault:
    """What happens to events that arrive in [since, until), ms: `change` gives None for one that is lost."""

    name: str
    since: int
    until: int
    change: Callable[[Event], Event | None]

    def __call__(self, events: Iterable[Event]) -> Iterator[Event]:
        """Give a stream as it is with the fault."""
        for event in events:
            found = self.change(event) if self.since <= event.at < self.until else event
            if found is not None:
                yield found


def broken_feed(event: Event) -> Event:
    """Empty an observation: the weather feed goes on, and nothing that it measures is in it."""
    if event.topic != weather_observed.name:
        return event
    return replace(event, record={**event.record, **dict.fromkeys(MEASURES)})


def inches(event: Event) -> Event:
    """Give the pressure in inches of mercury, where millibars are agreed on."""
    pressure = event.record.get("pressure")
    if event.topic != weather_observed.name or pressure is None:
        return event
    return replace(event, record={**event.record, "pressure": pressure * INCHES_OF_MERCURY})


def lost(airport: str) -> Callable[[Event], Event | None]:
    """Lose an airport's departures and weather; its flights still land elsewhere, and are asked about."""
    mine = (flight_departed.name, weather_observed.name)

    def change(event: Event) -> Event | None:
        return None if event.topic in mine and event.record["origin"] == airport else event

    return change


def strike(event: Event) -> Event:
    """Let a flight that was due to leave before noon wait 40 minutes for somebody to open its door.

    No source is wrong, and no model has learned it: who leaves early has always been on time.
    """
    delay, due = event.record.get("arr_delay"), event.record.get("scheduled_departure")
    if event.topic != flight_landed.name or delay is None or due is None:
        return event
    early = datetime.fromtimestamp(due / 1_000, _NEW_YORK).hour < _NOON
    return replace(event, record={**event.record, "arr_delay": delay + _WAIT_MINUTES}) if early else event


def injected(events: Streams, faults: Sequence[Fault]) -> Streams:
    """Give the sources' events with faults, each over what the former ones have left."""

    def changed(start: int, end: int) -> list[Iterator[Event]]:
        streams = events(start, end)
        for fault in faults:
            streams = [fault(stream) for stream in streams]
        return streams

    return changed
