import uuid
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pytest

from flows.units import Unit, read_units
from warehouse.client import connect, migrate

pytestmark = pytest.mark.stack
HOUR = 3_600_000
START = 1_700_000_000_000


@pytest.fixture
def client(stack: Any) -> Any:
    made = connect(stack.settings.warehouse_url)
    migrate(made)
    return made


class Log:
    """Writes one model's answers and labels; times are hours after the start."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.model = f"m_{uuid.uuid4().hex[:8]}"

    def _insert(self, table: str, row: Mapping[str, Any]) -> None:
        names = ", ".join(row)
        values = ", ".join(
            f"fromUnixTimestamp64Milli({v}, 'UTC')" if n.endswith("_at") else "NULL" if v is None else repr(v)
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
            "model_version_used": 2 if shadow else 1,
            "variant": variant,
            "door": "http",
            "prediction": prediction,
            "requested_at": requested,
            "predicted_at": requested + 5,
        }
        self._insert("shadow_predictions" if shadow else "model_prediction_log", {**row, **more})

    def label(self, request: str, at: float, label: float) -> None:
        happened = START + int(at * HOUR)
        self._insert(
            "ground_truth",
            {"request_id": request, "model_name": self.model, "label": label, "happened_at": happened},
        )

    def units(self, until: float, champion: int = 1, challenger: int = 2) -> list[Unit]:
        def query(sql: str, parameters: Mapping[str, Any]) -> pa.Table:
            return self.client.query_arrow(sql, parameters=dict(parameters), use_strings=True)

        return read_units(
            query,
            self.model,
            champion=champion,
            challenger=challenger,
            until=START + int(until * HOUR),
            horizon=10 * HOUR,
        )


def test_units_stand_in_order_of_assignment_with_their_windows_closed(client: Any) -> None:
    log = Log(client)
    log.answer("champion", "before the trial", -1, 0.5)
    for request, at in [("b", 2), ("a", 1), ("c", 3), ("too late", 11)]:
        log.answer("champion", request, at, 0.1)
        log.answer("shadow", request, at, 0.9)
    log.label("a", 5, 1.0)
    log.label("b", 12.5, 1.0)  # its window closed half an hour before
    log.label("c", 13, 0.0)  # at the last moment
    assert log.units(until=20) == [
        Unit("a", 0.1, 0.9, 1.0),
        Unit("b", 0.1, 0.9, None),
        Unit("c", 0.1, 0.9, 0.0),
    ]
    assert [u.request_id for u in log.units(until=12)] == ["a", "b"]
    assert log.units(until=20, challenger=7) == []


def test_requests_with_one_answer_are_there_and_repeated_answers_count_once(client: Any) -> None:
    log = Log(client)
    log.answer("shadow", "no champion", 1, 0.9)
    log.answer("champion", "no shadow", 2, 0.1)
    log.answer("champion", "error", 3, None)
    log.answer("shadow", "error", 3, 0.7)
    for offset, prediction in [(900, 0.4), (5, 0.2)]:  # delivered twice, answered twice; the first counts
        log.answer("champion", "twice", 4, prediction, predicted_at=START + 4 * HOUR + offset)
    log.answer("shadow", "twice", 4, 0.6)
    log.label("twice", 5, 1.0)
    log.label("twice", 6, 0.0)
    log.answer("pinned", "pinned", 5, 0.3)
    assert log.units(until=20) == [
        Unit("no champion", None, 0.9, None),
        Unit("no shadow", 0.1, None, None),
        Unit("error", None, 0.7, None),
        Unit("twice", 0.2, 0.6, 1.0),
    ]


def test_the_trial_begins_when_the_last_door_shadows(client: Any) -> None:
    log = Log(client)
    log.answer("champion", "early", 1, 0.1, door="kafka")
    log.answer("shadow", "early", 1, 0.9, door="kafka")
    log.answer("champion", "not yet", 2, 0.1)  # this door has not loaded the challenger yet
    log.answer("champion", "begins", 3, 0.1)
    log.answer("shadow", "begins", 3, 0.9)
    log.answer("champion", "lost", 4, 0.1, door="kafka")
    assert [(u.request_id, u.challenger) for u in log.units(until=20)] == [("begins", 0.9), ("lost", None)]
