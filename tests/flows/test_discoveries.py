import numpy as np
import pytest
from scipy.stats import chi2, norm

from features.policies import DriftPolicy
from flows.discoveries import adjusted, false_alarms_per_month
from flows.divergence import PSI, compare
from tests.definitions import late, plain

CALIBRATED = DriftPolicy(plain, late)


def alerts(p_values: np.ndarray, level: float) -> float:
    """Give the share of windows, one a row, in which a feature counts as drifted."""
    return float(np.mean([min(adjusted(list(row))) <= level for row in p_values]))


def test_the_adjustment_is_benjamini_and_hochbergs() -> None:
    # their example of 15 p values (1995, section 3.2): four are discoveries at 0.05
    published = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240]
    published += [0.4262, 0.5719, 0.6528, 0.7590, 1.0]
    assert [q <= 0.05 for q in adjusted(published)] == [True] * 4 + [False] * 11
    assert adjusted([]) == []


@pytest.mark.parametrize("shared", [0.0, 0.5, 0.9])
def test_a_month_without_drift_keeps_to_its_allowance(shared: float) -> None:
    # 20 features, some depending on each other through what they share; 200 months of 30 windows
    random = np.random.default_rng(11)
    common, own = random.normal(size=(6_000, 1)), random.normal(size=(6_000, 20))
    z = shared**0.5 * common + (1 - shared) ** 0.5 * own
    p_values = 2 * norm.sf(np.abs(z))
    raised = alerts(p_values, CALIBRATED.level) * 6_000
    assert raised <= 100 + 3.1 * 100**0.5
    if not shared:
        assert raised > 100 - 3.1 * 100**0.5


def test_the_whole_rule_on_values_keeps_to_its_allowance_and_finds_what_drifts() -> None:
    random = np.random.default_rng(12)
    quiet, drifting, false, found = 0, 0, 0, 0
    for window in range(600):
        references = random.multinomial(5_000, np.full(10, 0.1), 20)
        currents = random.multinomial(800, np.full(10, 0.1), 20)
        drifts = window % 3 == 0
        if drifts:  # two of the features
            currents[:2] = random.multinomial(800, np.linspace(0.07, 0.13, 10), 2)
        q = adjusted([compare(PSI, a, b).p_value for a, b in zip(references, currents, strict=True)])
        rejected = np.array(q) <= CALIBRATED.level
        quiet, drifting = quiet + (not drifts), drifting + drifts
        false += int(rejected.any()) if not drifts else 0
        found += int(rejected[:2].any()) if drifts else 0
    rate = CALIBRATED.level
    assert false <= quiet * rate + 3.1 * (quiet * rate) ** 0.5
    assert found > 0.9 * drifting


def test_the_false_discovery_rate_holds_where_some_features_drift() -> None:
    random = np.random.default_rng(13)
    shares = []
    for _ in range(2_000):
        statistic = chi2.rvs(9, size=40, random_state=random)
        statistic[:10] += 25
        rejected = np.array(adjusted(list(chi2.sf(statistic, 9)))) <= 0.1
        shares.append(rejected[10:].sum() / max(rejected.sum(), 1))
    assert np.mean(shares) <= 0.1


def test_what_each_rule_allows_in_a_month() -> None:
    assert false_alarms_per_month(CALIBRATED, 20, 10_000, 1_000) == 0.5
    moderate = DriftPolicy(plain, late, threshold=0.10)
    major = DriftPolicy(plain, late, threshold=0.25)
    assert false_alarms_per_month(moderate, 20, 10_000, 200) > 5
    assert false_alarms_per_month(moderate, 20, 10_000, 5_000) < 1e-9
    assert false_alarms_per_month(major, 20, 10_000, 200) < 0.01
    hourly = DriftPolicy(plain, late, threshold=0.10, every="1h", window="1h")
    assert false_alarms_per_month(hourly, 20, 10_000, 200) == pytest.approx(
        24 * false_alarms_per_month(moderate, 20, 10_000, 200)
    )
    # the newest stretch of a long window has half of the calibrated rule's allowance
    fortnight = DriftPolicy(plain, late, threshold=0.25, window="14d")
    assert false_alarms_per_month(fortnight, 20, 10_000, 5_000) == pytest.approx(0.25)


def test_the_stated_chance_of_a_classical_alarm_is_met() -> None:
    random = np.random.default_rng(14)
    policy = DriftPolicy(plain, late, threshold=0.10)
    draws = random.multinomial(250, np.full(10, 0.1), (2_500, 5))
    reference = random.multinomial(4_000, np.full(10, 0.1), (2_500, 5))
    raised = np.mean(
        [
            any(compare(PSI, a, b).effect_size > 0.10 for a, b in zip(held, seen, strict=True))
            for held, seen in zip(reference, draws, strict=True)
        ]
    )
    assert raised * 30 == pytest.approx(false_alarms_per_month(policy, 5, 4_000, 250), rel=0.25)
