from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, ks_2samp, kstwobign, wasserstein_distance

from flows.divergence import (
    CHI_SQUARED,
    KS,
    PSI,
    WASSERSTEIN,
    compare,
    exceeded_by_chance,
    psi,
    psi_exceeded,
)

counts = st.lists(st.integers(0, 400), min_size=3, max_size=12)


def binned(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Count as the warehouse does: up to each edge, above the last, missing."""
    present = values[~np.isnan(values)]
    where = np.searchsorted(edges, present, side="left")
    return np.append(np.bincount(where, minlength=len(edges) + 1), len(values) - len(present))


def rejected(p_values: list[float], level: float) -> int:
    return int((np.array(p_values) <= level).sum())


def allowed(trials: int, level: float) -> float:
    """What a rate of `level` exceeds once in about a thousand experiments of so many trials."""
    return trials * level + 3.1 * (trials * level * (1 - level)) ** 0.5


def test_an_index_worked_out_by_hand() -> None:
    # Shares of 1/2, 1/4, 1/4 become 1/4, 1/4, 1/2: the outer two give (1/4 - 1/2) ln(1/2) = (1/4) ln 2 each,
    # the inner one nothing. That is (1/2) ln 2 = 0.346574.
    assert psi([50_000, 25_000, 25_000], [25_000, 25_000, 50_000]) == pytest.approx(0.346574, abs=1e-4)
    # 1/3, 2/3 become 2/3, 1/3: (2/3) ln 2; how many there are on a side is nothing to the index.
    assert psi([20_000, 40_000], [160_000, 80_000]) == pytest.approx(0.462098, abs=1e-4)


@given(counts, st.randoms())
def test_the_index_is_symmetric_and_zero_for_equal_shares(one: list[int], random: object) -> None:
    other = list(reversed(one))
    one[0], other[0] = one[0] + 1, other[0] + 1
    assert psi(one, other) == pytest.approx(psi(other, one))
    assert psi(one, other) >= 0
    assert psi(one, one) == 0


def test_chi_squared_is_scipys_where_cells_are_full() -> None:
    held, seen = [400, 300, 200, 100], [35, 40, 15, 10]
    found = compare(CHI_SQUARED, held, seen)
    wanted = chi2_contingency([held, seen], correction=False)
    assert found.statistic == pytest.approx(wanted.statistic)
    assert found.p_value == pytest.approx(wanted.pvalue)
    assert found.effect_size == pytest.approx((wanted.statistic / 1_100) ** 0.5)


def test_ks_is_scipys_where_every_value_is_an_edge() -> None:
    random = np.random.default_rng(1)
    held, seen = random.integers(0, 40, 700).astype(float), random.integers(2, 42, 300).astype(float)
    edges = np.arange(45.0)
    found = compare(KS, binned(held, edges), binned(seen, edges))
    wanted = ks_2samp(held, seen, method="asymp")
    assert found.effect_size == pytest.approx(wanted.statistic)
    assert found.p_value == pytest.approx(kstwobign.sf(wanted.statistic * (700 * 300 / 1_000) ** 0.5))


def test_the_distance_is_scipys_of_values_rounded_up_to_edges() -> None:
    random = np.random.default_rng(2)
    held, seen = random.normal(size=900), random.normal(0.3, 1.4, 400)
    edges = np.quantile(held, np.arange(51) / 50)

    def rounded(values: np.ndarray) -> np.ndarray:
        return edges[np.minimum(np.searchsorted(edges, values, side="left"), len(edges) - 1)]

    found = compare(WASSERSTEIN, binned(held, edges), binned(seen, edges), edges)
    assert found.statistic == pytest.approx(wasserstein_distance(rounded(held), rounded(seen)))
    assert found.p_value < 0.001
    unchanged = compare(WASSERSTEIN, binned(held, edges), binned(random.normal(size=400), edges), edges)
    assert unchanged.p_value > 0.01


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ValueError, match="same bins"):
        compare(PSI, [500, 0], [500, 0, 0])
    with pytest.raises(ValueError, match="500 and 0"):
        compare(PSI, [500, 0], [0, 0])
    with pytest.raises(ValueError, match="'euclid'"):
        compare("euclid", [500, 0], [5, 0])


@pytest.mark.parametrize("method", [PSI, CHI_SQUARED, KS, WASSERSTEIN])
def test_one_bin_on_both_sides_is_no_drift(method: str) -> None:
    assert compare(method, [500, 0], [300, 0]).p_value == 1
    assert compare(method, [0, 500], [0, 300]).p_value == 1


@pytest.mark.parametrize(
    ("m", "n", "missing"),
    [(2_000, 500, 0.1), (500, 500, 0.002), (100_000, 1_000, 0.0005), (3_000, 100_000, 0.02)],
)
def test_psis_null_distribution_is_that_of_two_samples(m: int, n: int, missing: float) -> None:
    # also where the window is larger than the reference, and where missing values are rare
    random = np.random.default_rng(3)
    shares = np.append(np.full(10, (1 - missing) / 10), missing)
    pairs = zip(random.multinomial(m, shares, 4_000), random.multinomial(n, shares, 4_000), strict=True)
    p_values = [compare(PSI, held, seen).p_value for held, seen in pairs]
    for level in (0.05, 0.01, 0.001):
        assert rejected(p_values, level) <= allowed(4_000, level)
    assert rejected(p_values, 0.05) > 4_000 * 0.03  # and it is not merely cautious


@pytest.mark.parametrize(("m", "n"), [(2_000, 500), (300, 300), (1_000, 20_000)])
def test_values_beyond_a_reference_raise_no_more_alarms_than_stated(m: int, n: int) -> None:
    # the bounds are the reference's own, so nothing of it lies beyond them
    random = np.random.default_rng(9)
    p_values = []
    for _ in range(2_000):
        held, seen = random.lognormal(size=m), random.lognormal(size=n)
        edges = np.quantile(held, np.arange(1, 10) / 10, method="lower")
        beyond = int(((seen < held.min()) | (seen > held.max())).sum())
        p_values.append(compare(PSI, binned(held, edges), binned(seen, edges), beyond=beyond).p_value)
    for level in (0.05, 0.01, 0.002):
        assert rejected(p_values, level) <= allowed(2_000, level)


def test_the_law_of_exceedances_is_that_of_all_orders() -> None:
    m, n = 3, 4
    orders = list(combinations(range(m + n), n))  # where the n stand among all in order of size
    for beyond in range(n + 1):
        counted = 0
        for places in orders:
            first, last = min(set(range(m + n)) - set(places)), max(set(range(m + n)) - set(places))
            counted += sum(not first < place < last for place in places) >= beyond
        assert exceeded_by_chance(beyond, m, n) == pytest.approx(counted / len(orders))
    assert exceeded_by_chance(500_000, 1_000_000, 1_000_000) == 0


def test_limits_of_tolerance_are_those_of_wilks_table() -> None:
    # How many values it takes until the smallest and the largest hold a share of all others, with a
    # confidence: Somerville, Tables for obtaining non-parametric tolerance limits, Annals of Mathematical
    # Statistics 29, 1958, table II, both ends; Wilks 1941 has 93 for 95 % with 95 %.
    published = {(0.9, 0.9): 38, (0.9, 0.95): 46, (0.9, 0.99): 64, (0.95, 0.9): 77, (0.95, 0.95): 93}
    published |= {(0.95, 0.99): 130, (0.99, 0.9): 388, (0.99, 0.95): 473, (0.99, 0.99): 662}
    many = 10_000_000
    for (share, confidence), m in published.items():
        beyond = round(many * (1 - share))
        assert exceeded_by_chance(beyond, m, many) <= 1 - confidence
        assert exceeded_by_chance(beyond, m - 1, many) > 1 - confidence


def test_the_limit_of_ks_is_smirnovs_table() -> None:
    # Smirnov, Table for estimating the goodness of fit of empirical distributions, Annals of Mathematical
    # Statistics 19, 1948: 1 - L(z).
    published = {0.5: 0.963945, 0.8: 0.544142, 1.0: 0.270000, 1.2: 0.112250, 1.36: 0.049486}
    published |= {1.5: 0.022218, 1.63: 0.009846, 2.0: 0.000671}
    n = 2_000_000
    for z, rate in published.items():
        moved = round(z * n / (n / 2) ** 0.5)
        found = compare(KS, [n // 2, n // 2, 0], [n // 2 - moved, n // 2 + moved, 0])
        assert found.p_value == pytest.approx(rate, abs=2e-4)


def test_a_few_values_that_stand_for_missing_are_drift() -> None:
    random = np.random.default_rng(10)
    held, seen = random.normal(size=10_000), random.normal(size=1_000)
    seen[:10] = -999
    edges = np.quantile(held, np.arange(1, 10) / 10)
    beyond = int(((seen < held.min()) | (seen > held.max())).sum())
    counts = binned(held, edges), binned(seen, edges)
    assert compare(PSI, *counts).p_value > 0.05  # the bins alone do not show it
    found = compare(PSI, *counts, beyond=beyond)
    assert (found.p_value < 1e-6, found.effect_size < 0.05) == (True, True)


def test_a_classical_threshold_has_no_error_rate_of_its_own() -> None:
    random = np.random.default_rng(4)
    for n in (100, 300, 1_000):
        draws = random.multinomial(n, [0.1] * 10, size=(3_000, 2))
        found = np.mean([psi(a, b) > 0.1 for a, b in draws])
        assert found == pytest.approx(psi_exceeded(0.1, 10, n, n), abs=0.03)
    assert psi_exceeded(0.2, 10, 50, 50) > 0.5
    assert psi_exceeded(0.2, 10, 1_000, 1_000) < 1e-15


def zipf(levels: int) -> np.ndarray:
    shares = 1 / np.arange(1, levels + 1)
    return np.asarray(np.append(shares, [0, 0]) / shares.sum())


@pytest.mark.parametrize(("m", "n"), [(1_000, 1_000), (20_000, 1_000)])
def test_two_hundred_sparse_categories_raise_no_more_alarms_than_stated(m: int, n: int) -> None:
    random = np.random.default_rng(5)
    p_values = [
        compare(CHI_SQUARED, random.multinomial(m, zipf(200)), random.multinomial(n, zipf(200))).p_value
        for _ in range(500)
    ]
    for level in (0.05, 0.01, 0.002):
        assert rejected(p_values, level) <= allowed(500, level)


def test_sparse_categories_that_drift_are_found() -> None:
    random = np.random.default_rng(6)
    drifted = zipf(200)
    drifted[150:200] *= 4  # each expects two or three values of a thousand
    found = [
        compare(
            CHI_SQUARED,
            random.multinomial(20_000, zipf(200)),
            random.multinomial(1_000, drifted / drifted.sum()),
        ).p_value
        for _ in range(20)
    ]
    assert rejected(found, 0.001) >= 18


@pytest.mark.parametrize("missing", [0.0, 0.01])
@pytest.mark.parametrize("method", [KS, WASSERSTEIN])
def test_ks_and_wasserstein_raise_no_more_alarms_than_stated(method: str, missing: float) -> None:
    random = np.random.default_rng(7)
    p_values = []
    for _ in range(500):
        held, seen = random.lognormal(size=2_000), random.lognormal(size=300)
        for values in (held, seen):
            values[random.random(values.size) < missing] = np.nan
        edges = np.unique(np.nanquantile(held, np.arange(51) / 50, method="lower"))
        p_values.append(compare(method, binned(held, edges), binned(seen, edges), edges).p_value)
    for level in (0.05, 0.01):
        assert rejected(p_values, level) <= allowed(500, level)


@pytest.mark.parametrize("method", [PSI, KS, WASSERSTEIN])
def test_a_shift_is_found_and_its_size_does_not_grow_with_the_samples(method: str) -> None:
    random = np.random.default_rng(8)
    sizes = []
    for n in (1_000, 50_000):
        held, seen = random.normal(size=n), random.normal(0.5, 1, n)
        edges = np.quantile(held, np.arange(51) / 50)
        found = compare(method, binned(held, edges), binned(seen, edges), edges)
        assert found.p_value <= 1e-4
        sizes.append(found.effect_size)
    assert sizes[0] == pytest.approx(sizes[1], rel=0.35)


def test_missing_values_are_drift() -> None:
    held, seen = [*[1_000] * 10, 0], [*[70] * 10, 300]
    assert compare(PSI, held, seen).p_value < 1e-12
    assert compare(KS, held, seen).p_value < 1e-12
    assert compare(WASSERSTEIN, held, seen, np.arange(9)).p_value < 1e-12
    assert compare(WASSERSTEIN, held, [*[0] * 10, 300], np.arange(9)).p_value < 1e-12
    assert compare(WASSERSTEIN, held, [*[30] * 10, 0], np.arange(9)).p_value > 0.5
