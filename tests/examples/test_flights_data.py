from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from examples.flights.data import flights, path, weather

MINUTE = 60_000


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return flights().set_index("flight_id", drop=False)


def moment(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def clock(ms: int, zone: str) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, ZoneInfo(zone)):%m-%d %H:%M}"


def test_every_flight_is_there_once(table: pd.DataFrame) -> None:
    assert len(table) == 336_776
    assert table.index.is_unique
    assert table["scheduled_departure"].is_monotonic_increasing
    assert int(table["cancelled"].sum()) == 8_255
    assert int(table["diverted"].sum()) == 1_175


def test_landing_less_scheduled_arrival_is_the_delay(table: pd.DataFrame) -> None:
    landed = table[table["arr_delay"].notna()]
    assert len(landed) == 327_346
    assert ((landed["landed_at"] - landed["scheduled_arrival"]) == landed["arr_delay"] * MINUTE).all()
    taxiing = (landed["landed_at"] - landed["departed_at"]) / MINUTE - landed["air_time"]
    assert taxiing.between(5, 235).all()


def test_departures_show_the_clock_of_the_file(table: pd.DataFrame) -> None:
    raw = pd.read_csv(path("flights.csv.zip"))
    shown = pd.to_datetime(table["departed_at"], unit="ms", utc=True).dt.tz_convert("America/New_York")
    minutes = (shown.dt.hour * 60 + shown.dt.minute)[~table["cancelled"]].value_counts().sort_index()
    told = raw["dep_time"].dropna().astype(int)
    expected = ((told // 100 * 60 + told % 100) % 1440).value_counts().sort_index()  # 2400 is 0:00
    assert minutes.to_dict() == expected.to_dict()


def test_a_flight_across_zones(table: pd.DataFrame) -> None:
    flight = table.loc["2013-01-01-UA1545-EWR"]  # to Houston: off at 5:17 for 5:15, there at 8:30 for 8:19
    assert flight["scheduled_departure"] == moment("2013-01-01T10:15")
    assert flight["departed_at"] == moment("2013-01-01T10:17")
    assert flight["scheduled_arrival"] == moment("2013-01-01T14:19")
    assert flight["landed_at"] == moment("2013-01-01T14:30")
    assert flight["scheduled_minutes"] == 244


def test_a_night_flight_lands_on_the_next_day(table: pd.DataFrame) -> None:
    flight = table.loc["2013-01-01-B6727-JFK"]  # 23:59 to Aguadilla, an hour ahead; there at 4:35
    assert clock(flight["scheduled_departure"], "America/New_York") == "01-01 23:59"
    assert clock(flight["landed_at"], "America/Puerto_Rico")[:5] == "01-02"
    assert table["scheduled_minutes"].max() == 700


@pytest.mark.parametrize(
    ("day", "offset"), [("2013-03-09", 5), ("2013-03-10", 4), ("2013-11-02", 4), ("2013-11-03", 5)]
)
def test_days_around_the_turn_of_the_clock(table: pd.DataFrame, day: str, offset: int) -> None:
    flown = table[table.index.str.startswith(day) & ~table["cancelled"]]
    assert len(flown) > 600
    raw = pd.read_csv(path("flights.csv.zip"))
    same_day = raw[(raw["month"] == int(day[5:7])) & (raw["day"] == int(day[8:]))]
    first = same_day["sched_dep_time"].min()
    assert (
        flown["scheduled_departure"].min()
        <= moment(day) + ((first // 100 + offset) * 60 + first % 100) * MINUTE
    )
    assert (flown["landed_at"] > flown["departed_at"]).all()


def test_a_night_flight_over_the_turn_of_the_clock(table: pd.DataFrame) -> None:
    for day in ("2013-03-09", "2013-11-02"):
        night = table[table.index.str.startswith(day) & table["arr_delay"].notna()]
        late = night[night["landed_at"] > moment(f"{day}T23:59") + 7 * 60 * MINUTE]
        assert len(late) > 0
        assert (late["landed_at"] - late["scheduled_arrival"] == late["arr_delay"] * MINUTE).all()


def test_cancelled_and_diverted_flights(table: pd.DataFrame) -> None:
    cancelled, diverted = table[table["cancelled"]], table[table["diverted"]]
    assert (cancelled["departed_at"] == cancelled["scheduled_departure"]).all()
    assert cancelled["dep_delay"].isna().all()
    assert (cancelled["landed_at"] == 0).all()
    assert diverted["arr_delay"].isna().all()
    assert (diverted["landed_at"] > diverted["departed_at"]).all()


def test_weather_has_every_hour_once() -> None:
    table = weather()
    assert len(table) == 26_115
    assert table["observation_id"].is_unique
    assert (table["observed_at"] % (60 * MINUTE) == 0).all()
    turn = table[
        (table["origin"] == "EWR")
        & table["observed_at"].between(moment("2013-11-03T05:00"), moment("2013-11-03T07:00"))
    ]
    assert turn["temperature"].tolist() == [51.98, 50.0, 51.08]  # the clock shows 1:00 twice
