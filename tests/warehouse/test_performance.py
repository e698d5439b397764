import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from features.policies import METRICS
from flows.metrics import metric
from warehouse.client import Client
from warehouse.outcomes import Units, holdout, keep_holdout
from warehouse.performance import ks, log_wealth, measure, moments, predictions

pytestmark = pytest.mark.stack


def drawn(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    scores = np.round(random.beta(2, 5, n), 2)  # with ties
    return scores, (random.random(n) < scores).astype(float)


def kept(client: Client, scores: np.ndarray, labels: np.ndarray, name: str = "e") -> Units:
    keep_holdout(client, name, scores.tolist(), labels.tolist())
    return holdout(name)


@pytest.mark.parametrize("name", list(METRICS))
def test_sql_and_memory_measure_the_same(database: Client, name: str) -> None:
    scores, labels = drawn(700, 1)
    (found,) = measure(database, name, kept(database, scores, labels), 0.13)
    assert (found.by, found.segment, found.units) == ("", "", 700)
    assert found.value == pytest.approx(metric(name, 0.13)(labels, scores), abs=1e-12)


@pytest.mark.parametrize(("name", "slack"), [("log_loss", 1.15), ("rmse", 1.15), ("auc", 1.15)])
def test_errors_are_those_of_repeated_samples(database: Client, name: str, slack: float) -> None:
    (found,) = measure(database, name, kept(database, *drawn(1_000, 1)))
    of = metric(name, 0.1)
    spread = np.std([of(labels, scores) for scores, labels in (drawn(1_000, s) for s in range(2, 400))])
    assert found.error is not None
    assert spread / slack < found.error < spread * slack


def test_errors_of_shares_are_no_less_than_those_of_repeated_samples(database: Client) -> None:
    for name in ("precision_at_k", "calibration_error"):
        (found,) = measure(database, name, kept(database, *drawn(1_000, 1)), 0.2)
        of = metric(name, 0.2)
        spread = np.std([of(labels, scores) for scores, labels in (drawn(1_000, s) for s in range(2, 400))])
        assert found.error is not None
        assert spread / 1.15 < found.error < spread * 3


def test_what_has_no_value_has_none(database: Client) -> None:
    scores = np.array([0.2, 0.4])
    (found,) = measure(database, "auc", kept(database, scores, np.zeros(2)))
    assert (found.units, found.value, found.error) == (2, None, None)
    assert measure(database, "auc", holdout("none")) == []


def test_segments_are_measured_beside_all(database: Client) -> None:
    scores, labels = drawn(400, 1)
    units = kept(database, scores, labels)
    split = "[('', ''), ('parity', if(toUInt32(request_id) < 100, 'low', 'high'))]"
    by = Units(f"SELECT * REPLACE ({split} AS segments) FROM ({units.sql})", units.parameters)
    for name in METRICS:
        whole, high, low = measure(database, name, by, 0.2)
        of = metric(name, 0.2)
        assert [(m.by, m.segment, m.units) for m in (whole, high, low)] == [
            *(("", "", 400), ("parity", "high", 300), ("parity", "low", 100))
        ]
        for found, part in ((whole, slice(None)), (high, slice(100, None)), (low, slice(0, 100))):
            assert found.value == pytest.approx(of(labels[part], scores[part]), abs=1e-12)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=2, max_size=30))
def test_the_area_is_the_share_of_pairs_in_order(database: Client, pairs: list[tuple[int, bool]]) -> None:
    database.command("TRUNCATE TABLE holdout_predictions")
    scores = np.array([s / 20 for s, _ in pairs])
    labels = np.array([float(y) for _, y in pairs])
    (found,) = measure(database, "auc", kept(database, scores, labels))
    expected = metric("auc", 0.1)(labels, scores)
    assert found.value == (None if np.isnan(expected) else pytest.approx(expected, abs=1e-12))


def test_losses_have_moments_and_wealth(database: Client) -> None:
    scores, labels = drawn(300, 1)
    units = kept(database, scores, labels)
    losses = (scores - labels) ** 2
    found = moments(database, units)
    assert (found.units, found.bound) == (300, 1.0)
    assert (found.mean, found.variance) == pytest.approx((losses.mean(), losses.var(ddof=1)))
    count, (one, other) = log_wealth(database, units, 1.0, 0.2, [0.5, 2.0])
    assert count == 300
    assert one == pytest.approx(np.log1p(0.5 * (losses - 0.2)).sum())
    assert other == pytest.approx(np.log1p(2.0 * (losses - 0.2)).sum())


def test_losses_of_numbers_are_bounded_by_the_largest(database: Client) -> None:
    scores, labels = np.array([10.0, 12.0, 20.0]), np.array([10.0, 14.0, 16.0])
    found = moments(database, kept(database, scores, labels))
    assert (found.bound, found.mean) == (16.0, pytest.approx((0 + 4 + 16) / 3 / 16))


def test_losses_are_compared_by_kolmogorov_and_smirnov(database: Client) -> None:
    one, other = drawn(500, 1), drawn(300, 2)
    units = kept(database, *one, "one"), kept(database, other[0] ** 2, other[1], "other")
    left, right = units
    right = Units(right.sql.replace("{experiment:", "{another:"), {"another": "other"})
    found = ks(database, left, right)
    expected = ks_2samp((one[0] - one[1]) ** 2, (other[0] ** 2 - other[1]) ** 2, method="asymp")
    assert found is not None
    assert found.statistic == pytest.approx(expected.statistic, abs=1e-9)
    assert found.p_value == pytest.approx(expected.pvalue, rel=0.2)
    for losses, others, apart in (
        ((one[0] - one[1]) ** 2, (other[0] ** 2 - other[1]) ** 2, found),
        ((other[0] ** 2 - other[1]) ** 2, (one[0] - one[1]) ** 2, ks(database, right, left)),
    ):
        greater = ks_2samp(losses, others, alternative="greater").statistic
        assert apart is not None
        assert apart.larger == pytest.approx(greater, abs=1e-9)
    assert ks(database, left, Units(right.sql, {"another": "none"})) is None


def test_a_sample_is_the_same_each_time(database: Client) -> None:
    units = kept(database, *drawn(100, 1))
    first, again = predictions(database, units, 10), predictions(database, units, 10)
    assert first.num_rows == 10
    assert first.equals(again)
