from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import lightgbm
import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import log_loss as sk_log_loss
from sklearn.metrics import roc_auc_score

from flows.metrics import auc
from flows.training import TrainingDataError, log_loss, portable, train

FEATURES = ("delay", "count", "gaps")
SMALL = {"num_iterations": 20, "num_leaves": 7}


def table(n: int = 4_000, label_lag: int = 5_000, seed: int = 1) -> pa.Table:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3))
    x[:, 1] = np.round(x[:, 1] * 5)
    x[rng.random(n) < 0.2, 2] = np.nan
    chance = 1 / (1 + np.exp(-(2 * x[:, 0] + x[:, 1] / 5 + np.nan_to_num(x[:, 2]))))
    at = 1_000_000 + np.arange(n, dtype=np.int64) * 1_000
    columns = {name: x[:, i] for i, name in enumerate(FEATURES)}
    return pa.table(
        {
            **columns,
            "prediction_time": pa.array(at).cast(pa.timestamp("ms", "UTC")),
            "label_time": pa.array(at + label_lag).cast(pa.timestamp("ms", "UTC")),
            "label": rng.random(n) < chance,
        }
    )


def test_learns_and_scores_the_later_rows() -> None:
    trained = train(table(), FEATURES, parameters=SMALL, seed=1)
    assert trained.holdout.auc > 0.8
    assert 0 < trained.holdout.log_loss < 0.6
    assert len(trained.holdout.labels) == 800
    assert trained.holdout.start == 1_000_000 + 3_200 * 1_000
    assert trained.metrics["holdout_rows"] == 800
    assert trained.parameters["num_iterations"] == 20


def test_a_figure_that_is_none_is_stored_as_none() -> None:
    trained = train(table(), FEATURES, parameters=SMALL, seed=1)
    holdout = replace(trained.holdout, auc=float("nan"), log_loss=float("nan"))
    metrics = replace(trained, holdout=holdout).metrics
    assert (metrics["holdout_auc"], metrics["holdout_log_loss"]) == (None, None)


def test_no_label_that_came_after_the_holdout_began_is_learned_from() -> None:
    # Labels come 100 rows after their predictions, so that the last 100 before the holdout, and the one
    # whose label came at its very start, are left out.
    trained = train(table(label_lag=100_000), FEATURES, parameters=SMALL, seed=1)
    assert trained.left_out_rows == 100
    assert trained.train_rows == 3_200 - 100


def test_rows_that_tie_with_the_first_of_the_holdout_are_held_out() -> None:
    data = table(1_000)
    late = np.repeat(np.arange(10), 100) * 1_000  # ten moments; the cut at 75 % falls inside the eighth
    data = data.set_column(data.column_names.index("prediction_time"), "prediction_time", pa.array(late))
    data = data.set_column(data.column_names.index("label_time"), "label_time", pa.array(late))
    trained = train(data, FEATURES, parameters=SMALL, seed=1, holdout_share=0.25)
    assert trained.holdout.start == 7_000
    assert len(trained.holdout.labels) == 300
    assert trained.train_rows == 700


def test_is_the_same_bit_for_bit() -> None:
    models = [train(table(), FEATURES, parameters=SMALL, seed=3, threads=2) for _ in range(2)]
    texts = [m.booster.model_to_string() for m in models]
    assert texts[0] == texts[1]
    assert np.array_equal(models[0].holdout.scores, models[1].holdout.scores)


def test_the_order_of_the_rows_does_not_matter() -> None:
    data = table()
    mixed = data.take(pa.array(np.random.default_rng(2).permutation(len(data))))
    a, b = (train(t, FEATURES, parameters=SMALL, seed=3) for t in (data, mixed))
    assert np.array_equal(a.holdout.scores, b.holdout.scores)


@pytest.mark.parametrize("missing", ["gaps", "label_time"])
def test_a_missing_column_is_named(missing: str) -> None:
    with pytest.raises((TrainingDataError, KeyError), match=missing):
        train(table().drop_columns([missing]), FEATURES, parameters=SMALL, seed=1)


def test_unusable_tables_are_refused() -> None:
    data = table()
    one_class = data.set_column(data.column_names.index("label"), "label", pa.array([True] * len(data)))
    with pytest.raises(TrainingDataError, match=r"both classes.*found \[1.0\]"):
        train(one_class, FEATURES, parameters=SMALL, seed=1)
    with pytest.raises(TrainingDataError, match="found 0"):
        train(data.slice(0, 0), FEATURES, parameters=SMALL, seed=1)
    unknown = pa.array([None] * len(data), pa.timestamp("ms"))
    without = data.set_column(data.column_names.index("label_time"), "label_time", unknown)
    with pytest.raises(TrainingDataError, match="label_time"):
        train(without, FEATURES, parameters=SMALL, seed=1)


def test_the_portable_model_decides_as_the_original_on_float32() -> None:
    rng = np.random.default_rng(8)
    x = rng.normal(size=(5_000, 4)).astype(np.float32).astype(np.float64)
    x[rng.random(5_000) < 0.3, 0] = np.nan
    x[:, 1] = np.abs(x[:, 1]) + 3  # thresholds above zero, and below in column 3; neither saw a NaN
    x[:, 3] = -np.abs(x[:, 3]) - 3
    y = (np.nan_to_num(x[:, 0]) + x[:, 1] + x[:, 2] * x[:, 3] > 3).astype(float)
    settings = {"objective": "binary", "verbosity": -1, "num_threads": 1}
    booster = lightgbm.train(settings, lightgbm.Dataset(x, y), num_boost_round=30)
    probes = [x]
    for column in range(4):
        without = x.copy()
        without[:, column] = np.nan
        probes.append(without)
    probe = np.concatenate(probes)
    # At the thresholds themselves, and the float32 on either side of them.
    edges = np.array([n["threshold"] for n in _splits(booster)], dtype=np.float32)
    near = np.concatenate([edges, np.nextafter(edges, np.float32(9)), np.nextafter(edges, np.float32(-9))])
    probe = np.concatenate([probe, np.repeat(near[:, None].astype(np.float64), 4, axis=1)])
    assert np.array_equal(portable(booster).predict(probe), booster.predict(probe))


def _splits(booster: lightgbm.Booster) -> Iterator[dict[str, Any]]:
    trees = [tree["tree_structure"] for tree in booster.dump_model()["tree_info"]]
    while trees:
        node = trees.pop()
        if "threshold" in node:
            yield node
            trees += [node["left_child"], node["right_child"]]


def test_metrics_are_the_usual_ones() -> None:
    rng = np.random.default_rng(9)
    labels = (rng.random(500) < 0.3).astype(float)
    scores = np.round(rng.random(500), 2)
    assert auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores))
    assert log_loss(labels, np.clip(scores, 0.01, 0.99)) == pytest.approx(
        sk_log_loss(labels, np.clip(scores, 0.01, 0.99))
    )
    assert np.isnan(auc(np.ones(5), np.ones(5)))
    assert np.isnan(log_loss(np.ones(5), np.full(5, 0.5)))
