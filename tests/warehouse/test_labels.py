from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.policies import EvaluationPolicy
from flows.ledger import settle
from flows.units import Assignment, Report, Unit
from tests.definitions import late
from tests.warehouse.traffic import answered, came_true
from warehouse.canaries import Variants, labelled
from warehouse.client import Client
from warehouse.outcomes import Units, arrived, closed

pytestmark = pytest.mark.stack

DAY = 86_400_000
T = 1_700_006_400_000
HOURS = DAY // 24
POLICY = EvaluationPolicy(late, horizon="1d")

Reports = list[tuple[int, int, float]]
"""Hours after the request at which something came true, and the log took it, and what it was."""
_REPORTS = st.lists(
    st.tuples(st.integers(-1, 30), st.integers(0, 30), st.sampled_from([0.0, 1.0])), max_size=4
)


def told(client: Client, *requests: Reports) -> list[str]:
    """Write answers to requests an hour apart, and what was reported of each; give the requests' ids."""
    for table in ("model_prediction_log", "ground_truth"):
        client.command(f"TRUNCATE TABLE {table}")
    at = [T + i * HOURS for i in range(len(requests))]
    answered(client, "late", 1, "champion", at, [1.0] * len(at), [False] * len(at))
    ids = [f"champion.1/{moment}/{i}" for i, moment in enumerate(at)]
    for request_id, asked, reports in zip(ids, at, requests, strict=True):
        for happened, taken, label in reports:
            when = asked + happened * HOURS
            came_true(client, "late", [request_id], label, when, asked + taken * HOURS)
    return ids


def read(client: Client, units: Units) -> dict[str, float]:
    rows = client.query(f"SELECT request_id, label FROM ({units.sql})", units.parameters).result_rows
    return dict(rows)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_REPORTS, min_size=1, max_size=6), st.integers(20, 60))
def test_trials_monitoring_and_canaries_count_the_same_labels(
    database: Client, requests: list[Reports], look: int
) -> None:
    ids = told(database, *requests)
    until = T + look * HOURS
    trial = [
        Assignment(
            "A",
            T + i * HOURS,
            Unit(request_id, 0.5, 0.5, None),
            tuple(
                Report(T + (i + taken) * HOURS, T + (i + happened) * HOURS, label)
                for taken, happened, label in sorted((t, h, y) for h, t, y in reports)
            ),
        )
        for i, (request_id, reports) in enumerate(zip(ids, requests, strict=True))
    ]
    units, _ = settle(trial, POLICY, until)
    settled = {u.request_id: u.label for u in units if u.label is not None}
    assert read(database, closed("late", 1, DAY, until + 1)) == settled
    canary = labelled(database, Variants("late", 1, 2), T, until, DAY).to_pylist()
    assert [row["label"] for row in canary] == list(settled.values())


@pytest.mark.parametrize(
    ("reports", "windows"),
    [
        ([(5, 5, 1.0)], [[1.0], [], []]),
        ([(5, 5, 1.0), (5, 5, 1.0)], [[1.0], [], []]),
        ([(5, 5, 1.0), (6, 9, 0.0)], [[0.0], [], []]),  # corrected within its window
        ([(5, 5, 1.0), (6, 13, 0.0)], [[1.0], [], []]),  # and after it, as the window was told
        ([(1, 20, 1.0)], [[], [1.0], []]),
        ([(1, 25, 1.0)], [[], [], []]),  # true in time, and late in the log
        ([(-1, 5, 1.0)], [[], [], []]),  # true before it was asked
    ],
)
def test_a_label_counts_in_the_window_in_which_the_log_first_took_it(
    database: Client, reports: Reports, windows: Sequence[list[float]]
) -> None:
    (request_id,) = told(database, reports)
    for i, expected in enumerate(windows):
        since = T + i * 12 * HOURS
        found = read(database, arrived("late", 1, DAY, since, since + 12 * HOURS))
        assert list(found.values()) == expected
        assert set(found) <= {request_id}
