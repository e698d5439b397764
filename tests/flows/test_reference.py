from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

from features.policies import DriftPolicy, MonitoringPolicy
from features.project import collect
from flows.divergence import CHI_SQUARED, PSI, compare
from flows.reference import categories, edges, freeze, references
from flows.watched import methods
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
from warehouse.drift import MAX_LEVELS, count
from warehouse.references import read
from warehouse.samples import Sample

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
    assert len(delay.bins.edges) == 9
    assert all(c == pytest.approx(present / 10, abs=2) for c in delay.counts[:-1])
    held = np.array([v for v in drawn["delay"] if v is not None])
    assert list(delay.deciles) == pytest.approx(np.quantile(held, np.arange(11) / 10), abs=0.3)
    assert set(count.bins.edges) <= set(drawn["count"])  # whole numbers never straddle a bound


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
    assert all(c == pytest.approx(50, abs=1) for c in prediction.counts[:-1])


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


def test_only_wasserstein_has_the_ends_as_bounds() -> None:
    observed = [1.0, 1.0, 2.0, 5.0, 5.0]
    assert edges(FEATURES, observed) == (1.0, 2.0)
    below, value = edges(FEATURES, [4.0] * 10)
    assert (below < 4.0, value) == (True, 4.0)
    assert edges(DriftPolicy(None, MODEL, method="wasserstein"), observed) == (1.0, 2.0, 5.0)


@pytest.mark.parametrize("levels", [1_000, 10**9])
def test_more_categories_than_have_bins_raise_no_more_alarms_than_stated(
    history: History, levels: int
) -> None:
    def drawn(rows: int, seed: int) -> Sample:
        values = f"SELECT number, toString(sipHash64(number, {seed}) % {levels}) AS t FROM numbers({rows})"
        return Sample(f"({values})", {"t": "t"}, identity="number")

    alarms = 0
    for seed in range(10):
        bins, counts = categories(history.client, drawn(10_000, 2 * seed), ["t"])
        assert len(bins["t"].levels or ()) == MAX_LEVELS
        assert sum(counts["t"]) == pytest.approx(5_000, abs=250)
        seen = count(history.client, drawn(1_000, 2 * seed + 1), bins)
        alarms += compare(CHI_SQUARED, counts["t"], seen["t"]).p_value <= 0.05
    assert alarms <= 3  # of ten at 5 %: one chance in a hundred to be more


def test_levels_that_a_sparse_reference_lacks_are_no_drift(history: History) -> None:
    def drawn(rows: int, seed: int) -> Sample:
        values = f"SELECT number, toString(sipHash64(number, {seed}) % 200) AS t FROM numbers({rows})"
        return Sample(f"({values})", {"t": "t"}, identity="number")

    bins, counts = categories(history.client, drawn(2_500, 1), ["t"])
    assert (len(bins["t"].levels or ()), sum(counts["t"])) == (200, 2_500)
    bins, counts = categories(history.client, drawn(1_000, 1), ["t"])
    assert len(bins["t"].levels or ()) < 200
    *_, others, _ = counts["t"]
    assert others > 0  # of the half that chose none
    assert sum(counts["t"]) == pytest.approx(500, abs=80)


def test_a_label_that_is_a_number_is_compared_as_one() -> None:
    assert methods(OUTPUTS, project())["label"] == CHI_SQUARED
    number = replace(OUTPUTS, model=replace(MODEL, task="regression", trainer="lightgbm"))
    assert methods(number, project())["label"] == PSI
