import heapq
from collections import Counter

from augury.replay import Event
from examples.flights.events import events
from examples.flights.faults import MEASURES, Fault, broken_feed, inches, injected, lost

DAY, HOUR = 86_400_000, 3_600_000
START = 1_362_355_200_000  # 2013-03-04
SINCE, UNTIL = START + 6 * HOUR, START + 18 * HOUR


def merged(*faults: Fault) -> list[Event]:
    streams = injected(events, faults)(START, START + DAY)
    return list(heapq.merge(*streams, key=lambda e: (e.at, e.topic, e.key)))


def changed(fault: Fault) -> list[tuple[Event, Event | None]]:
    """Give the events that a fault changes, as they were and as they are."""
    found = {(e.topic, e.key, e.at, str(e.record.get("observation_id"))): e for e in merged(fault)}
    pairs = [(e, found.get((e.topic, e.key, e.at, str(e.record.get("observation_id"))))) for e in merged()]
    return [(before, after) for before, after in pairs if before != after]


def test_nothing_changes_before_and_after_a_fault_or_without_one() -> None:
    assert merged() == list(heapq.merge(*events(START, START + DAY), key=lambda e: (e.at, e.topic, e.key)))
    for change in (broken_feed, inches, lost("EWR")):
        pairs = changed(Fault("some", SINCE, UNTIL, change))
        assert pairs
        assert all(SINCE <= before.at < UNTIL for before, _ in pairs)


def test_a_broken_feed_goes_on_and_measures_nothing() -> None:
    assert len(MEASURES) == 8
    pairs = changed(Fault("feed", SINCE, UNTIL, broken_feed))
    assert {before.topic for before, _ in pairs} == {"weather_observed"}
    for before, after in pairs:
        assert after is not None
        assert {name: after.record[name] for name in MEASURES} == dict.fromkeys(MEASURES)
        assert before.record.keys() == after.record.keys()
        kept = before.record.keys() - set(MEASURES)
        assert {n: before.record[n] for n in kept} == {n: after.record[n] for n in kept}


def test_a_change_of_unit_is_one_factor_of_one_measure() -> None:
    for before, after in changed(Fault("unit", SINCE, UNTIL, inches)):
        assert after is not None
        assert 28 < after.record["pressure"] < 31
        assert {n for n in before.record if before.record[n] != after.record[n]} == {"pressure"}


def test_a_lost_airport_sends_neither_departures_nor_weather() -> None:
    pairs = changed(Fault("lost", SINCE, UNTIL, lost("EWR")))
    assert {after for _, after in pairs} == {None}
    assert {before.topic for before, _ in pairs} == {"flight_departed", "weather_observed"}
    assert {before.record["origin"] for before, _ in pairs} == {"EWR"}
    left = [e for e in merged(Fault("lost", SINCE, UNTIL, lost("EWR"))) if SINCE <= e.at < UNTIL]
    origins = Counter((e.topic, e.record["origin"]) for e in left)
    assert origins["flight_landed", "EWR"] > 0  # its flights still land elsewhere
    assert origins["flight_departed", "JFK"] > 0


def test_faults_add_up() -> None:
    both = merged(Fault("feed", SINCE, UNTIL, broken_feed), Fault("lost", SINCE, UNTIL, lost("EWR")))
    weather = [e for e in both if e.topic == "weather_observed" and SINCE <= e.at < UNTIL]
    assert {e.record["origin"] for e in weather} == {"JFK", "LGA"}
    assert {e.record["temperature"] for e in weather} == {None}
