"""What the watch says of the flights with faults: checks of real rows, backfilled from real events."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from augury.clients import warehouse
from augury.settings import Settings
from augury.stack import Stack
from examples.flights.events import events, requests
from examples.flights.faults import Fault, broken_feed, inches, injected, lost
from examples.flights.project import (
    congestion_drift,
    late_arrival,
    origin_departures,
    origin_weather,
    weather_drift,
)
from features.alerts import BROKEN, CHANGED
from features.plan import GroupPlan
from features.policies import DriftPolicy
from features.project import load_project
from flows.causes import BEYOND, DATA, NULLS, SILENT
from flows.check import Report, check
from flows.reference import freeze
from inference.registry import ModelStatus, ModelVersion
from warehouse.backfill import backfill
from warehouse.client import Client, migrate
from warehouse.silence import silent
from warehouse.tables import LOG_COLUMNS, group_tables, source_table

pytestmark = pytest.mark.stack

DAY, HOUR = 86_400_000, 3_600_000
BEGIN = 1_357_344_000_000  # 2013-01-05
TRAINED = BEGIN + 55 * DAY  # 2013-03-01
FEED, UNIT, LOST = (TRAINED + day * DAY + 6 * HOUR for day in (2, 5, 8))
END = TRAINED + 12 * DAY
FAULTS = (
    Fault("a broken weather feed", FEED, FEED + 2 * DAY, broken_feed),
    Fault("a change of unit", UNIT, UNIT + 2 * DAY, inches),
    Fault("a lost airport", LOST, LOST + 2 * DAY, lost("EWR")),
)
SPRING = BEGIN + 125 * DAY  # 2013-05-10
FLIGHTS = load_project("examples.flights")
# Harm has other groups looked at too, in vectors of the model; here there are rows alone.
PROJECT = replace(FLIGHTS, policies=tuple(p for p in FLIGHTS.policies if isinstance(p, DriftPolicy)))
PLANS = [PROJECT.group_plans[group.label] for group in (origin_weather, origin_departures)]
TABLE = "trained_on"
VERSION = ModelVersion(
    late_arrival.name, 1, ModelStatus.CHAMPION, "file:///none", "0", "lightgbm", "onnx", {}, "winter", 0
)
_ROWS = ("group", "version", "entity", "event_timestamp", "seq", "state", "age_ms", "defaulted")


def log(client: Client) -> None:
    """Write what the sink would: winter, twelve days with three faults, and two weeks of spring."""
    sources = {source.topic: source for plan in PLANS for source in plan.sources}
    for source in sources.values():
        client.command(source_table(source))
    offset = 0
    for since, until in ((BEGIN, END), (SPRING - 15 * DAY, SPRING)):
        for stream in injected(events, FAULTS)(since, until):
            found = [e for e in stream if e.topic in sources]
            lines = [[*e.record.values(), e.at, e.topic, 0, offset + i] for i, e in enumerate(found)]
            if found:
                columns = [*sources[found[0].topic].columns, *LOG_COLUMNS]
                client.insert(found[0].topic, lines, column_names=columns)
            offset += len(found)


def served(client: Client, plans: list[GroupPlan]) -> None:
    """Log an answer to each request of the twelve days, with the rows that it would have been given."""
    held = {plan.name: newest(client, plan) for plan in plans}
    lines = []
    for request in requests(TRAINED, END):
        airport, at = request.record["entity_keys"]["origin"], request.at
        rows = [(p.name, p.version, airport, *held[p.name][airport].at(at), "fresh", 0, False) for p in plans]
        lines.append(
            [request.key, request.key, late_arrival.name, 1, at, at, *map(list, zip(*rows, strict=True))]
        )
    names = (
        "deduplication_key",
        "request_id",
        "model_name",
        "model_version_used",
        "requested_at",
        "log_time",
    )
    client.insert("model_prediction_log", lines, column_names=[*names, *(f"rows.{name}" for name in _ROWS)])


class Rows:
    """An entity's rows in order."""

    def __init__(self) -> None:
        self.times: list[int] = []
        self.seqs: list[int] = []

    def at(self, moment: int) -> tuple[int, int]:
        """Give the time and the `seq` of the row that holds at a moment (ms)."""
        place = bisect_right(self.times, moment) - 1
        return self.times[place], self.seqs[place]


def newest(client: Client, plan: GroupPlan) -> dict[str, Rows]:
    """Give the rows of each entity."""
    found: dict[str, Rows] = {}
    sql = f"SELECT entity, toUnixTimestamp64Milli(event_timestamp), seq FROM {plan.table} FINAL"
    for entity, at, seq in client.query(f"{sql} ORDER BY entity, seq").result_rows:
        rows = found.setdefault(entity, Rows())
        rows.times.append(at)
        rows.seqs.append(seq)
    return found


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    settings = Settings.with_free_ports(Path(tmp_path_factory.mktemp("flights")))
    with Stack(settings, parts=("warehouse",)):
        client = warehouse(settings)
        migrate(client)
        log(client)
        for plan in PLANS:
            for statement in group_tables(plan):
                client.command(statement)
            backfill(client, plan, 0, SPRING)
            client.command(f"INSERT INTO {plan.table} SELECT * FROM {plan.backfill_table} FINAL")
        served(client, PLANS)
        client.command(
            f"CREATE TABLE {TABLE} ENGINE MergeTree ORDER BY prediction_time AS SELECT arrayJoin("
            f"[fromUnixTimestamp64Milli({BEGIN}, 'UTC'), fromUnixTimestamp64Milli({TRAINED - 1}, 'UTC')]) "
            "AS prediction_time, 0. AS label"
        )
        freeze(client, PROJECT, late_arrival.name, VERSION.experiment_id, TABLE, [0.5], [0.0])
        yield client
        client.close()


def looked(client: Client, policy: DriftPolicy, end: int) -> Report:
    return check(client, PROJECT, policy, VERSION, end)


def days(since: int, until: int) -> list[int]:
    """Give the ends of the days whose newest stretch holds some of [since, until)."""
    return [end for end in range(TRAINED + DAY, END + 1, DAY) if end > since and end - DAY < until]


def told(report: Report) -> dict[str, tuple[str, ...]]:
    return {f.reference.feature: f.causes for f in report.drifted}


def test_days_without_a_fault_are_told_of_by_nobody(watched: Client) -> None:
    faulty = {end for fault in FAULTS for end in days(fault.since, fault.until)}
    quiet = [end for end in days(TRAINED, END) if end not in faulty]
    assert len(quiet) == 3
    for policy in (weather_drift, congestion_drift):
        reports = [looked(watched, policy, end) for end in quiet]
        assert [told(report) for report in reports] == [{}] * 3
        assert all(f.q_value is not None for report in reports for f in report.findings)


def test_a_broken_feed_is_missing_values_of_the_first_day(watched: Client) -> None:
    report = looked(watched, weather_drift, days(FEED, FEED + DAY)[0])
    alert = report.alert()
    assert alert is not None
    assert alert.evidence["looks_like"] == BROKEN
    assert told(report)["wind_speed_mean_6h"] == (NULLS,)
    assert told(looked(watched, congestion_drift, report.window.end)) == {}


def test_a_change_of_unit_is_impossible_at_once_and_a_factor_once_it_has_filled_a_day(
    watched: Client,
) -> None:
    first, second, _ = days(UNIT, UNIT + 2 * DAY)
    for end, causes in ((first, (BEYOND,)), (second, (BEYOND, "scaled by 0.0294"))):
        report = looked(watched, weather_drift, end)
        assert told(report) == {"pressure_last": causes}  # and it is a day of low pressure
        alert = report.alert()
        assert alert is not None
        assert alert.evidence["looks_like"] == BROKEN


def test_a_lost_airport_is_named_by_what_it_sends_by_the_hour_and_then_by_what_rests_at_night(
    watched: Client,
) -> None:
    first, second, _ = days(LOST, LOST + 2 * DAY)
    assert told(looked(watched, congestion_drift, first)) == {}
    for policy, end in ((weather_drift, first), (congestion_drift, second)):
        report = looked(watched, policy, end)
        assert report.drifted
        assert {cause for causes in told(report).values() for cause in causes} >= {f"{SILENT}: EWR"}
        alert = report.alert()
        assert alert is not None
        assert alert.evidence["looks_like"] == BROKEN


def test_who_is_silent_goes_by_its_own_silences_of_before(watched: Client) -> None:
    for plan in PLANS:
        assert silent(watched, late_arrival.name, plan.name, plan.table, TRAINED, LOST) == {}
        found = silent(watched, late_arrival.name, plan.name, plan.table, LOST, LOST + 2 * DAY)
        assert list(found) == ["EWR"]
        assert 0.1 < found["EWR"] < 0.4
        assert silent(watched, "another", plan.name, plan.table, LOST, LOST + 2 * DAY) == {}


def test_the_season_is_a_change_of_the_data(watched: Client) -> None:
    report = looked(watched, weather_drift, SPRING)
    assert told(report) == {"temperature_last": (DATA,), "dew_point_last": (DATA,)}
    alert = report.alert()
    assert alert is not None
    assert alert.evidence["looks_like"] == CHANGED
    assert told(looked(watched, congestion_drift, SPRING)) == {}
