import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.drift import ReferenceBins, psi

values = st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")) | st.integers(-3, 3).map(float), max_size=200)


@given(values, values, st.integers(2, 12))
def test_every_value_has_one_bin(reference: list[float], current: list[float], bins: int) -> None:
    frozen = ReferenceBins.of(reference, bins)
    assert sum(frozen.counts) == len(reference)
    assert len(frozen.counts) == len(frozen.edges) + 2 <= bins + 1
    counted = frozen.count(current)
    assert counted.sum() == len(current)
    assert counted[-1] == np.isnan(np.array(current, dtype=float)).sum()
    assert list(frozen.edges) == sorted(set(frozen.edges))


def test_bins_hold_equal_shares_of_a_smooth_reference() -> None:
    frozen = ReferenceBins.of(np.arange(1_000.0))
    assert frozen.counts == (*[100] * 10, 0)


def test_a_value_equal_to_a_bound_belongs_below_it() -> None:
    frozen = ReferenceBins.of([0.0] * 900 + [1.0] * 100)
    assert frozen.edges == (0.0,)
    assert list(frozen.count([0.0, 0.5, 1.0, -5.0, 99.0])) == [2, 3, 0]


def test_a_shift_and_missing_values_raise_the_index() -> None:
    rng = np.random.default_rng(5)
    frozen = ReferenceBins.of(rng.normal(size=5_000))
    same = psi(frozen.counts, frozen.count(rng.normal(size=5_000)))
    shifted = psi(frozen.counts, frozen.count(rng.normal(0.8, size=5_000)))
    gaps = rng.normal(size=5_000)
    gaps[:1_500] = np.nan
    assert same < 0.02
    assert shifted > 0.2
    assert psi(frozen.counts, frozen.count(gaps)) > 0.2


def test_is_symmetric_and_zero_for_equal_shares() -> None:
    a, b = [100, 200, 300, 0], [300, 250, 50, 0]
    assert psi(a, b) == pytest.approx(psi(b, a))
    assert psi(a, a) == 0
    assert np.isfinite(psi([600, 0, 0], [0, 600, 0]))


def test_small_samples_and_other_bins_are_refused() -> None:
    with pytest.raises(ValueError, match=r"at least 500 values.*found 499"):
        psi([499, 0], [1_000, 0])
    with pytest.raises(ValueError, match="same bins"):
        psi([500, 0], [500, 0, 0])


def test_the_stated_false_alarms() -> None:
    # Ten bins, no missing values: PSI * n m / (n + m) is about chi-squared with nine degrees.
    rng = np.random.default_rng(6)

    def alarms(n: int) -> float:
        draws = rng.multinomial(n, [0.1] * 10, size=(2_000, 2)).astype(float) + 0.5
        p, q = (
            draws[:, 0] / draws[:, 0].sum(-1, keepdims=True),
            draws[:, 1] / draws[:, 1].sum(-1, keepdims=True),
        )
        return float((((q - p) * np.log(q / p)).sum(-1) > 0.2).mean())

    assert alarms(500) == 0
    assert alarms(50) > 0.5
