import heapq
from collections import Counter
from itertools import pairwise

import pandas as pd

from augury.replay import Event
from examples.flights.data import flights
from examples.flights.events import events, ground_truth, labels, landings, requests
from examples.flights.faults import Fault, injected, strike
from features.project import load_project
from features.types import DataType

DAY = 86_400_000
START = 1_362_873_600_000  # 2013-03-10, the day on which the clock goes forward
END = START + 2 * DAY


def merged() -> list[Event]:
    return list(heapq.merge(*events(START, END), key=lambda e: e.at))


def test_streams_are_in_time_order_and_within_the_range() -> None:
    for stream in [*events(START, END), requests(START, END), ground_truth(START, END)]:
        found = list(stream)
        assert found
        assert all(a.at <= b.at for a, b in pairwise(found))
        assert all(START <= e.at < END for e in found)


def test_every_replay_is_the_same_and_ranges_join_without_a_seam() -> None:
    once = merged()
    halves = [list(heapq.merge(*events(a, a + DAY), key=lambda e: e.at)) for a in (START, START + DAY)]
    assert once == merged() == halves[0] + halves[1]


def test_records_have_the_columns_of_their_source_with_plain_values() -> None:
    plans = load_project("examples.flights").source_plans
    kinds = {
        DataType.INTEGER: int,
        DataType.TIMESTAMP: int,
        DataType.DOUBLE: float,
        DataType.BOOLEAN: bool,
        DataType.TEXT: str,
    }
    for event in merged():
        plan = plans[event.topic]
        assert list(event.record) == list(plan.columns)
        assert event.key == event.record[plan.partition_key]
        assert event.record[plan.event_time] < event.at
        for name, kind in plan.columns.items():
            assert event.record[name] is None or type(event.record[name]) is kinds[kind]


def test_some_events_come_late_and_some_twice() -> None:
    found = merged()
    plans = load_project("examples.flights").source_plans
    delays = [e.at - e.record[plans[e.topic].event_time] for e in found]
    ids = Counter((e.topic, e.record[plans[e.topic].event_id]) for e in found)
    assert min(delays) >= 30_000
    assert 0.01 < sum(d >= 20 * 60_000 for d in delays) / len(found) < 0.03
    assert 1 <= sum(n == 2 for n in ids.values()) <= 0.01 * len(found)
    assert max(ids.values()) == 2


def test_requests_come_two_hours_before_departure_with_keys_and_inputs() -> None:
    project = load_project("examples.flights")
    model = project.model_plans["late_arrival"]
    due = flights().set_index("flight_id")["scheduled_departure"]
    for event in requests(START, END):
        assert event.at == due[event.key] - 7_200_000 == event.record["requested_at"]
        assert set(event.record["inputs"]) == set(model.inputs)
        assert set(model.entities) - set(event.record["entity_keys"]) <= {"aircraft"}
    assert event.record["entity_keys"]["hub"] == f"{event.record['entity_keys']['carrier']}|{event.key[-3:]}"


def test_each_flight_that_landed_where_it_should_has_one_label() -> None:
    found = list(ground_truth(0, END * 2))
    labels = {e.key: e.record["label"] for e in found}
    table = flights()
    landed = table[table["arr_delay"].notna()]
    assert labels == dict(zip(landed["flight_id"], (landed["arr_delay"] > 15).astype(float), strict=True))
    assert len(labels) == len(found)


def test_a_strike_makes_early_flights_late_where_they_land_and_in_their_labels() -> None:
    fault = Fault("a strike", START, START + DAY, strike)
    before = {e.key: e for e in landings(START, END)}
    (struck,) = injected(lambda since, until: [landings(since, until)], [fault])(START, END)
    after = list(struck)
    assert [e.record["flight_id"] for e in after] == [e.record["flight_id"] for e in before.values()]
    waited = 0
    for event in after:
        was = before[event.key].record
        due = pd.Timestamp(event.record["scheduled_departure"], unit="ms", tz="UTC")
        early = due.tz_convert("America/New_York").hour < 12
        waits = early and event.at < START + DAY and was["arr_delay"] is not None
        assert event.record == was | ({"arr_delay": was["arr_delay"] + 40} if waits else {})
        waited += waits
    assert waited > 100
    told = {e.key: e.record["label"] for e in labels(after)}
    assert told == {
        e.record["flight_id"]: float(e.record["arr_delay"] > 15) for e in after if not e.record["diverted"]
    }
