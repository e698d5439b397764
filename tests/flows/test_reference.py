from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

from features.policies import DriftPolicy, MonitoringPolicy
from features.project import collect
from flows.divergence import CHI_SQUARED, KS, PSI
from flows.reference import edges, freeze, references
from tests.flows.drifting import (
    DAY,
    END,
    FEATURES,
    MODEL,
    OUTPUTS,
    ROWS,
    TABLE,
    TRAINED,
    History,
    project,
    values,
)
from warehouse.bins import Bins
from warehouse.references import Reference, read

pytestmark = pytest.mark.stack


def test_quantile_bins_hold_equal_shares_and_missing_values_have_their_own(history: History) -> None:
    drawn = values(TRAINED, 1)
    history.trained(drawn)
    freeze(history.client, project(), "late", "e", TABLE, drawn["prediction"], drawn["label"])
    count, delay = read(history.client, "e", FEATURES.name)
    assert (count.feature, delay.feature) == ("count_1h", "delay_mean_1h")
    assert delay.method == PSI
    assert delay.rows == TRAINED
    assert delay.counts[-1] == drawn["delay"].count(None)
    present = TRAINED - delay.counts[-1]
    assert len(delay.bins.edges) == 11
    below, *equal, above = delay.counts[:-1]
    assert (below, above) == (0, 0)  # bins of what lies beyond the reference
    assert all(c == pytest.approx(present / 10, abs=2) for c in equal)
    held = np.array([v for v in drawn["delay"] if v is not None])
    assert list(delay.deciles) == pytest.approx(np.quantile(held, np.arange(11) / 10), abs=0.3)
    assert set(count.bins.edges[1:]) <= set(drawn["count"])  # whole numbers never straddle a bound


def test_groups_that_nobody_watches_have_references_where_harm_could_set_something_off(
    history: History,
) -> None:
    drawn = values(TRAINED, 1)
    history.trained(drawn)
    for on_harm, kept in (("tell", []), ("retrain", ["count_1h", "delay_mean_1h"])):
        module = ModuleType("unwatched")
        vars(module).update(policy=MonitoringPolicy(MODEL, on_harm=on_harm))
        freeze(history.client, collect(module), "late", on_harm, TABLE, drawn["prediction"], drawn["label"])
        assert [r.feature for r in read(history.client, on_harm, "plain.v1/late")] == kept


def test_outputs_are_the_holdouts_scores_and_the_training_sets_labels(history: History) -> None:
    drawn = values(TRAINED, 1)
    history.trained(drawn)
    scores = np.array(drawn["prediction"][:500])
    freeze(history.client, project(), "late", "e", TABLE, scores, scores)
    label, prediction = read(history.client, "e", OUTPUTS.name)
    assert (label.method, label.bins.levels) == (CHI_SQUARED, ("0", "1"))
    assert list(label.counts) == [drawn["label"].count(0.0), drawn["label"].count(1.0), 0, 0]
    assert prediction.rows == 500
    assert all(c == pytest.approx(50, abs=1) for c in prediction.counts[1:-2])


def test_rows_of_the_training_sets_period_bring_text_and_categories(history: History) -> None:
    history.trained(values(TRAINED, 1))
    history.emitted(END - 20 * DAY, 300, ["A1", "A1", "B'2", None], 2)
    history.emitted(END - 5 * DAY, 100, ["later"], 3)  # after the training set's last prediction
    held = {r.feature: r for r in references(history.client, project(), ROWS, TABLE, [])}
    assert {r.rows for r in held.values()} == {300}
    assert held["carrier_last"].bins.levels == ("A1", "B'2")
    assert sum(held["carrier_last"].counts) == 300
    assert held["carrier_last"].counts[-2] == 0
    assert held["carrier_last"].counts[-1] > 0
    assert held["hour_last"].method == CHI_SQUARED
    assert held["count"].method == PSI


def test_a_feature_without_values_is_all_missing(history: History) -> None:
    drawn = values(300, 1) | {"delay": [None] * 300}
    history.trained(drawn)
    _, delay = references(history.client, project(), FEATURES, TABLE, [])
    assert (delay.bins.edges, delay.counts, delay.deciles) == ((), (0, 300), ())


def test_the_bounds_of_bins_are_observed_values_and_by_method_what_lies_beyond() -> None:
    observed = [1.0, 1.0, 2.0, 5.0, 5.0]
    below, *bounds = edges(FEATURES, observed)
    assert (below < 1.0, np.nextafter(below, 2), bounds) == (True, 1.0, [1.0, 2.0, 5.0])
    assert edges(DriftPolicy(None, MODEL, method="ks"), observed) == (1.0, 2.0)
    assert edges(DriftPolicy(None, MODEL, method="wasserstein"), observed) == (1.0, 2.0, 5.0)
    for method in ("psi", "ks", "wasserstein"):
        below, value = edges(DriftPolicy(None, MODEL, method=method), [4.0] * 10)
        assert (below < 4.0, value) == (True, 4.0)


def test_what_lies_beyond_a_reference_is_counted_beside_its_quantiles() -> None:
    held = Reference("x", PSI, Bins((0.9, 1.0, 2.0, 3.0)), (0, 10, 10, 10, 0, 2), ())
    assert held.within((3, 10, 9, 8, 4, 1)) == (13, 9, 12, 1)
    assert held.beyond((3, 10, 9, 8, 4, 1)) == 7
    of_two = replace(held, bins=Bins((0.9, 1.0, 2.0)), counts=(0, 10, 10, 0, 2))
    assert of_two.within((3, 10, 9, 4, 1)) == (13, 13, 1)
    never_varied = replace(held, bins=Bins((0.9, 1.0)), counts=(0, 10, 0, 2))
    by_ks = replace(held, method=KS, bins=Bins((1.0, 2.0, 3.0)), counts=(4, 3, 2, 1, 0))
    for other in (never_varied, by_ks):
        assert (other.within(other.counts), other.beyond(other.counts)) == (other.counts, 0)
