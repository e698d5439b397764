import pytest

from tests.warehouse.traffic import answered
from warehouse.client import Client

pytestmark = pytest.mark.stack

T = 1_700_000_000_000


@pytest.mark.parametrize(
    ("given", "stays"),
    [
        ([(T, None), (T + 5, None)], T),  # of answers the first
        ([(T, "stale"), (T + 5, None)], T + 5),  # whoever asks again after a refusal has an answer
        ([(T, None), (T + 5, "stale")], T),
        ([(T, "stale"), (T + 5, "stale")], T),
    ],
)
def test_of_a_request_that_was_answered_twice_one_answer_stays(
    database: Client, given: list[tuple[int, str | None]], stays: int
) -> None:
    for order in (given, given[::-1]):
        database.command("TRUNCATE TABLE model_prediction_log")
        for at, error in order:
            answered(database, "late", 1, "champion", [at], [1.0], [error is not None], key="r")
        found = database.query(
            "SELECT toUnixTimestamp64Milli(predicted_at), error FROM model_prediction_log FINAL"
        ).result_rows
        assert [row[0] for row in found] == [stays]
