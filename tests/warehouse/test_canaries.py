import numpy as np
import pytest

from tests.warehouse.traffic import answered, came_true
from warehouse.canaries import QUANTILES, Side, Traffic, Variants, asked, labelled, traffic
from warehouse.client import Client

pytestmark = pytest.mark.stack

T = 1_700_000_000_000
BOTH = Variants("late", 1, 2)


def test_both_variants_are_counted_as_in_memory(database: Client) -> None:
    random = np.random.default_rng(1)
    times = {"champion": random.lognormal(0, 1, 900), "challenger": random.lognormal(0.3, 1, 120)}
    failed = {name: random.random(len(took)) < 0.1 for name, took in times.items()}
    for version, (name, took) in enumerate(times.items(), start=1):
        at = range(T, T + len(took))
        answered(database, "late", version, name, at, took.tolist(), failed[name].tolist())
    found = traffic(database, BOTH, T, T, T + 1_000, 1.5)
    kept = {name: took[~failed[name]] for name, took in times.items()}
    scaled = {"champion": kept["champion"] * 1.5, "challenger": kept["challenger"]}
    pooled = np.sort(np.concatenate(list(scaled.values())))
    bounds = [pooled[int(q * len(pooled))] for q in QUANTILES]
    for name, side in (("champion", found.champion), ("challenger", found.challenger)):
        assert (side.requests, side.errors) == (len(times[name]), failed[name].sum())
        assert side.timed == len(kept[name])
        assert side.slow == tuple(int((scaled[name] > bound).sum()) for bound in bounds)
        own = np.sort(kept[name])
        assert side.latency_ms == pytest.approx([own[int(q * len(own))] for q in QUANTILES])


def test_only_the_split_within_the_stretch_is_counted(database: Client) -> None:
    assert asked(database, BOTH, 0, T) is None
    assert traffic(database, BOTH, T, T, T + 10, 1.0) == Traffic(begun=T, until=T + 10)
    for version, variant in ((1, "champion"), (2, "challenger"), (1, "pinned"), (3, "champion")):
        answered(database, "late", version, variant, [T - 1, T, T + 9, T + 10], [1.0] * 4, [False] * 4)
    answered(database, "late", 1, "champion", [T - 1, T], [1.0] * 2, [False] * 2)  # the log, replayed
    answered(database, "other", 2, "challenger", [T + 99], [1.0], [False])
    found = traffic(database, BOTH, T, T, T + 10, 1.0)
    assert found == Traffic(*[Side(2, 0, 2, (0, 0), (1.0, 1.0))] * 2, T, T + 10)
    assert asked(database, BOTH, T, T + 99) == (T - 1, T + 10)
    assert asked(database, BOTH, T, T + 9) == (T - 1, T + 9)


def test_a_replay_goes_by_when_requests_were_made_and_by_none_with_another_clock(database: Client) -> None:
    past = T - 86_400_000
    clock = past + 100
    for at, given in (
        (past, T - 2),
        (T, T - 1),
        (past + 5, T),
        (past + 90, T + 1),
        (T, T + 2),
        (past - 9, T + 3),
    ):
        answered(database, "late", 1, "champion", [at], [1.0], [False], given=given)
    assert asked(database, BOTH, T, clock) == (past, past + 90)
    found = traffic(database, BOTH, T, past, past + 91, 1.0)
    assert (found.champion.requests, found.begun, found.until) == (2, past, past + 91)
    assert asked(database, BOTH, T - 2, clock) == (past - 9, past + 90)  # nothing was asked before


def test_errors_alone_have_no_latency(database: Client) -> None:
    answered(database, "late", 2, "challenger", [T, T + 1], [1.0, 2.0], [True, True])
    assert traffic(database, BOTH, T, T, T + 10, 1.0) == Traffic(Side(), Side(2, 2, 0), T, T + 10)


def test_labels_count_once_their_windows_have_closed(database: Client) -> None:
    for version, variant in ((1, "champion"), (2, "challenger")):
        answered(
            database, "late", version, variant, [T, T + 50], [1.0] * 2, [False] * 2, prediction=version / 4
        )
    came_true(database, "late", [f"champion.1/{T}/0", f"challenger.2/{T}/0"], 1.0, T + 100)
    came_true(database, "late", [f"challenger.2/{T}/0"], 0.0, T + 101)  # a later one
    came_true(database, "late", [f"champion.1/{T + 50}/1"], 0.0, T + 60)
    found = labelled(database, BOTH, T, T + 100, 100).to_pylist()
    assert sorted(found, key=lambda row: row["prediction"]) == [
        {"challenger": 0, "prediction": 0.25, "label": 1.0},
        {"challenger": 1, "prediction": 0.5, "label": 1.0},
    ]
    assert labelled(database, BOTH, T, T + 150, 100).num_rows == 3
    assert labelled(database, BOTH, T, T + 99, 100).num_rows == 0
    assert labelled(database, BOTH, T, T + 200, 99).num_rows == 1
