from collections.abc import Iterator
from typing import Any

import lightgbm
import numpy as np
import pytest

from flows.trainers.lightgbm import LightGBM, portable


@pytest.mark.parametrize("alias", ["n_estimators", "num_boost_round", "num_iterations"])
def test_a_parameter_under_an_alias_stands(alias: str) -> None:
    complete = LightGBM().complete({alias: 7, "min_child_samples": 3})
    assert {alias: 7, "min_child_samples": 3, "num_leaves": 31}.items() <= complete.items()
    assert "min_data_in_leaf" not in complete
    assert alias == "num_iterations" or "num_iterations" not in complete


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
