"""The flights as streams of events: what had arrived when, what is asked, and what came true.

An event arrives 30 s to 3 min after it happened; one in fifty is held up, by 20 to 90 min, and one in five
hundred is sent again 5 to 60 min later, as senders do that try until they are sure. All of it hangs on the
event's id alone, so every replay is the same.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from augury.replay import Event
from examples.flights.data import flights, weather
from examples.flights.project import flight_departed, flight_landed, late_arrival, weather_observed
from features import Source
from features.compile_model import compile_model
from features.expressions.python import evaluator
from features.naming import key_text
from features.vector import LabelPlan
from features.windows import milliseconds

_SECOND, _MINUTE = 1_000, 60_000
_CHUNK = 10_000
_LEAD = milliseconds(late_arrival.label.lead, "late_arrival")


def events(start: int, end: int) -> list[Iterator[Event]]:
    """Give the sources' events that arrived in [start, end), ms since the epoch: one stream a source."""
    return [
        _stream(_departures(), flight_departed, start, end),
        _stream(_landings(), flight_landed, start, end),
        _stream(_observations(), weather_observed, start, end),
    ]


def requests(start: int, end: int) -> Iterator[Event]:
    """Give the prediction requests of [start, end): one a flight, two hours before it is due to leave.

    The record's `inputs` are the model's; an aircraft that is not known has an empty key, which no row has.
    """
    for at, row in _slice(_asked(), [*flight_landed.columns], start, end):
        keys = {
            entity.name: key_text([row[column] or "" for column in entity.keys])
            for entity in late_arrival.entities
        }
        record = {
            "request_id": row["flight_id"],
            "model_name": late_arrival.name,
            "model_version": None,
            "entity_keys": keys,
            "inputs": {name: row[name] for name in late_arrival.inputs},
            "vector": None,
            "requested_at": at,
        }
        yield Event("prediction.requests", row["flight_id"], at, record)


def ground_truth(start: int, end: int) -> Iterator[Event]:
    """Give the labels that arrived in [start, end): one a flight that landed where it should, once."""
    return labels(landings(start, end))


def landings(start: int, end: int) -> Iterator[Event]:
    """Give the landings that arrived in [start, end), each once."""
    return _stream(_landed_once(), flight_landed, start, end)


def labels(landed: Iterable[Event]) -> Iterator[Event]:
    """Give the label that each landing tells: of a flight that landed where it should."""
    label = _label()
    assert label.where is not None
    labelled, value = evaluator(label.where), evaluator(label.value)
    for event in landed:
        row = event.record
        if labelled(row):
            record = {
                "request_id": row["flight_id"],
                "model_name": late_arrival.name,
                "label": float(value(row)),
                "happened_at": row["landed_at"],
            }
            yield Event("ground_truth", row["flight_id"], event.at, record)


@cache
def _asked() -> pd.DataFrame:
    return flights().assign(at=flights()["scheduled_departure"] - _LEAD)


@cache
def _label() -> LabelPlan:
    return compile_model(late_arrival).label


@cache
def _landed_once() -> pd.DataFrame:
    landed = _landings()
    return landed[~landed["again"]]


@cache
def _departures() -> pd.DataFrame:
    return _arrivals(flights(), flight_departed)


@cache
def _landings() -> pd.DataFrame:
    return _arrivals(flights()[~flights()["cancelled"]], flight_landed)


@cache
def _observations() -> pd.DataFrame:
    return _arrivals(weather(), weather_observed)


def _arrivals(table: pd.DataFrame, source: Source) -> pd.DataFrame:
    """Add `at`, when each event arrived, and the ones that are sent `again`; in order of arrival."""
    ids = table[source.event_id].map(f"{source.name}:{{}}".format)
    dice = pd.util.hash_array(ids.to_numpy(dtype=object))
    delay = np.where(
        dice % np.uint64(50) == 0,
        _between(dice, 8, 20 * _MINUTE, 90 * _MINUTE),
        _between(dice, 8, 30 * _SECOND, 3 * _MINUTE),
    )
    table = table.assign(at=table[source.event_time] + delay, again=False)
    repeated = table[dice % np.uint64(500) == 1]
    later = _between(dice[dice % np.uint64(500) == 1], 16, 5 * _MINUTE, 60 * _MINUTE)
    repeated = repeated.assign(at=repeated["at"] + later, again=True)
    return pd.concat([table, repeated]).sort_values(["at", source.event_id], ignore_index=True)


def _between(dice: npt.NDArray[np.uint64], shift: int, low: int, high: int) -> npt.NDArray[np.int64]:
    return low + ((dice >> np.uint64(shift)) % np.uint64(high - low)).astype(np.int64)


def _stream(table: pd.DataFrame, source: Source, start: int, end: int) -> Iterator[Event]:
    names = list(source.columns)
    for at, row in _slice(table, names, start, end):
        yield Event(source.name, row[source.partition_key], at, row)


def _slice(
    table: pd.DataFrame, names: list[str], start: int, end: int
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Give the named columns of the rows with `at` in [start, end) as plain values, None where unknown."""
    low, high = (int(i) for i in np.searchsorted(table["at"].to_numpy(), [start, end]))
    for first in range(low, high, _CHUNK):
        chunk = table.iloc[first : min(first + _CHUNK, high)]
        columns = [_plain(chunk[name]) for name in names]
        for at, *values in zip(chunk["at"].tolist(), *columns, strict=True):
            yield at, dict(zip(names, values, strict=True))


def _plain(column: "pd.Series[Any]") -> list[Any]:
    return [None if value != value else value for value in column.tolist()]
