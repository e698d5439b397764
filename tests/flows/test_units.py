import uuid
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pytest

from features.evaluation import SHADOW, SPLIT
from flows.units import Assignment, Report, Unit, read_assignments
from tests.flows.drifting import History

pytestmark = pytest.mark.stack
HOUR = 3_600_000
START = 1_700_000_000_000


class Log:
    """Writes one model's answers and labels; times are hours after the start."""

    def __init__(self, history: History) -> None:
        self.client = history.client
        self.model = f"m_{uuid.uuid4().hex[:8]}"

    def _insert(self, table: str, row: Mapping[str, Any]) -> None:
        names = ", ".join(row)
        values = ", ".join(
            f"fromUnixTimestamp64Milli({v}, 'UTC')"
            if n.endswith(("_at", "_time"))
            else "NULL"
            if v is None
            else repr(v)
            for n, v in row.items()
        )
        self.client.command(f"INSERT INTO augury.{table} ({names}) VALUES ({values})")

    def answer(self, variant: str, request: str, at: float, prediction: float | None, **more: Any) -> None:
        shadow = variant == "shadow"
        requested = START + int(at * HOUR)
        row = {
            "deduplication_key": f"{self.model}/{request}",
            "request_id": request,
            "model_name": self.model,
            "model_version_used": 1 if variant == "champion" else 2,
            "variant": variant,
            "door": "http",
            "prediction": prediction,
            "requested_at": requested,
            "predicted_at": requested + 5,
        }
        self._insert("shadow_predictions" if shadow else "model_prediction_log", {**row, **more})

    def label(self, request: str, at: float, label: float, arrived: float | None = None) -> None:
        happened = START + int(at * HOUR)
        log_time = happened if arrived is None else START + int(arrived * HOUR)
        row = {"label": label, "happened_at": happened, "log_time": log_time}
        self._insert("ground_truth", {"request_id": request, "model_name": self.model, **row})

    def read(
        self, until: float, mode: str = SHADOW, challenger: int = 2, since: int = 0, grace: float = 24
    ) -> list[Assignment]:
        def query(sql: str, parameters: Mapping[str, Any]) -> pa.Table:
            return self.client.query_arrow(sql, parameters=dict(parameters), use_strings=True)

        return read_assignments(
            query,
            self.model,
            champion=1,
            challenger=challenger,
            mode=mode,
            until=START + int(until * HOUR),
            since=since,
            grace=int(grace * HOUR),
        )


def at(hours: float) -> int:
    return START + int(hours * HOUR)


def test_requests_stand_in_order_of_assignment_with_what_was_reported_by_then(history: History) -> None:
    log = Log(history)
    log.answer("champion", "before the trial", -1, 0.5)
    for request, asked in [("b", 2), ("a", 1), ("not yet", 21)]:
        log.answer("champion", request, asked, 0.1)
        log.answer("shadow", request, asked, 0.9)
    log.label("a", 5, 1.0, arrived=6)
    log.label("a", 5, 1.0, arrived=6)  # the log's sink may write twice
    log.label("a", 5, 0.0, arrived=7)  # corrected, of the same moment
    log.label("b", 12.5, 1.0)
    log.label("b", 12.5, 1.0, arrived=19)  # sent again
    log.label("b", 13, 0.0, arrived=30)
    history.client.command("OPTIMIZE TABLE ground_truth FINAL")
    one, two = log.read(until=20)
    assert one == Assignment(
        "a", at(1), Unit("a", 0.1, 0.9, None), (Report(at(6), at(5), 1.0), Report(at(7), at(5), 0.0))
    )
    assert two == Assignment("b", at(2), Unit("b", 0.1, 0.9, None), (Report(at(12.5), at(12.5), 1.0),))
    assert log.read(until=20, challenger=7) == []
    assert [a.unit for a in log.read(until=20, challenger=7, since=at(1.5))] == ["b"]


def test_requests_with_one_answer_are_there_and_repeated_answers_count_once(history: History) -> None:
    log = Log(history)
    log.answer("shadow", "no champion", 1, 0.9)
    log.answer("champion", "no shadow", 2, 0.1)
    log.answer("champion", "error", 3, None)
    log.answer("shadow", "error", 3, 0.7)
    for offset, prediction in [(900, 0.4), (5, 0.2)]:  # delivered twice, answered twice; the first counts
        log.answer("champion", "twice", 4, prediction, predicted_at=START + 4 * HOUR + offset)
    log.answer("shadow", "twice", 4, 0.6)
    log.answer("pinned", "pinned", 5, 0.3)
    assert [a.answers for a in log.read(until=20)] == [
        Unit("no champion", None, 0.9, None),
        Unit("no shadow", 0.1, None, None),
        Unit("error", None, 0.7, None),
        Unit("twice", 0.2, 0.6, None),
    ]


def test_a_trial_in_shadow_begins_when_the_last_door_shadows(history: History) -> None:
    log = Log(history)
    log.answer("champion", "early", 1, 0.1, door="kafka")
    log.answer("shadow", "early", 1, 0.9, door="kafka")
    log.answer("champion", "not yet", 2, 0.1)  # this door has not loaded the challenger yet
    log.answer("champion", "begins", 3, 0.1)
    log.answer("shadow", "begins", 3, 0.9)
    log.answer("champion", "lost", 4, 0.1, door="kafka")
    assert [(a.unit, a.answers.challenger) for a in log.read(until=20)] == [("begins", 0.9), ("lost", None)]
    assert [a.unit for a in log.read(until=2)] == ["early", "not yet"]  # as that look found it


def test_in_split_traffic_an_entity_is_one_unit_from_when_its_door_takes_part(history: History) -> None:
    log = Log(history)

    def ask(variant: str, request: str, hour: float, carrier: str, **more: Any) -> None:
        log.answer(variant, request, hour, 0.1 * hour, entity_keys={"carrier": carrier}, **more)

    ask("champion", "before", 1, "A")
    ask("challenger", "begins", 2, "B")  # there because of where it went, so it is no unit
    ask("champion", "elsewhere", 3, "C", door="kafka")  # this door has not loaded the challenger yet
    ask("champion", "a1", 4, "A")
    ask("champion", "a2", 5, "A")
    ask("challenger", "b1", 6, "B")
    log.answer("challenger", "no entity", 7, None)
    ask("pinned", "pinned", 8, "D")
    log.label("b1", 9, 1.0)
    assert [(a.requested, a.answers) for a in log.read(until=20, mode=SPLIT)] == [
        (at(4), Unit("a1", 0.4, None, None, (), False)),
        (at(6), Unit("b1", None, pytest.approx(0.6), None, (), True)),
        (at(7), Unit("no entity", None, None, None, (), True)),
    ]
    assert log.read(until=20, mode=SPLIT)[1].reports == (Report(at(9), at(9), 1.0),)


def test_a_door_that_sends_the_challenger_nobody_takes_part_a_while_behind_the_first(
    history: History,
) -> None:
    log = Log(history)

    def ask(variant: str, request: str, hour: float, door: str) -> None:
        log.answer(variant, request, hour, 0.5, door=door, entity_keys={"carrier": request})

    ask("champion", "before anybody", 1, "kafka")
    ask("challenger", "begins", 2, "http")
    ask("champion", "not yet", 3, "kafka")
    ask("champion", "astray", 6, "kafka")
    ask("challenger", "one", 7, "http")
    ask("challenger", "late", 8, "grpc")  # by now it takes part, whoever its first one goes to
    assert [a.answers.request_id for a in log.read(until=20, mode=SPLIT, grace=3)] == [
        "astray",
        "one",
        "late",
    ]
    assert [a.answers.request_id for a in log.read(until=20, mode=SPLIT, grace=30)] == ["one"]
    assert log.read(until=20, mode=SPLIT, challenger=7) == []
