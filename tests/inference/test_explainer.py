"""Contributions add up to what the trees, and the served model, say."""

import subprocess
import sys
from pathlib import Path

import lightgbm
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from inference.artifacts import ArtifactMismatchError, ArtifactStore
from inference.explainer import Explainer, explainer_entry, explainer_of
from inference.runtime import Matrix, OnnxModel, UnfitModelError

from .onnx_models import trees

WIDTH = 4
KINDS = {"regression": 1, "binary": 2, "multiclass": 3}
VALUES = st.floats(-3, 3, width=32) | st.just(float("nan"))
VECTORS = arrays.arrays(np.float64, st.tuples(st.integers(1, 5), st.just(WIDTH)), elements=VALUES)
Made = tuple[Explainer, lightgbm.Booster, OnnxModel]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Made]:
    artifacts = ArtifactStore(str(tmp_path_factory.mktemp("artifacts")))

    def one(objective: str) -> Made:
        payload, booster = trees(WIDTH, objective, KINDS[objective])
        stored = artifacts.put("trees", booster.model_to_string().encode())
        explainer = explainer_of(explainer_entry(*stored), artifacts, WIDTH)
        assert explainer is not None
        return explainer, booster, OnnxModel(payload)

    return {objective: one(objective) for objective in KINDS}


@pytest.mark.parametrize("objective", KINDS)
@given(vectors=VECTORS)
def test_contributions_and_bias_add_up_to_the_raw_score(
    made: dict[str, Made], objective: str, vectors: Matrix
) -> None:
    explainer, booster, _ = made[objective]
    raw = np.asarray(booster.predict(vectors, raw_score=True)).reshape(len(vectors), -1)
    places = raw.argmax(axis=1)
    found = explainer.explain(vectors, places.tolist())
    assert found.shape == (len(vectors), WIDTH + 1)
    np.testing.assert_allclose(found.sum(axis=1), raw[np.arange(len(raw)), places], rtol=1e-9, atol=1e-9)


def test_of_two_classes_the_sum_is_the_served_probabilitys_log_odds(made: dict[str, Made]) -> None:
    explainer, _, served = made["binary"]
    vectors = np.random.default_rng(1).normal(size=(50, WIDTH))
    raw = explainer.explain(vectors, [0] * 50).sum(axis=1)
    np.testing.assert_allclose(1 / (1 + np.exp(-raw)), served.predict(vectors).scores, atol=1e-5)


def test_a_feature_that_no_tree_asks_for_contributes_nothing(tmp_path: Path) -> None:
    rows = np.random.default_rng(2).normal(size=(200, 2))
    data = lightgbm.Dataset(np.column_stack([rows[:, 0], np.zeros(200)]), rows[:, 0])
    stated = {"objective": "regression", "num_threads": 1, "verbosity": -1}
    booster = lightgbm.train(stated, data, num_boost_round=5)
    artifacts = ArtifactStore(str(tmp_path))
    explainer = Explainer(artifacts, *artifacts.put("m", booster.model_to_string().encode()), 2)
    found = explainer.explain(np.array([[2.0, 5.0], [-2.0, -5.0]]), [0, 0])
    assert found[:, 1].tolist() == [0.0, 0.0]
    assert found[0, 0] > 0 > found[1, 0]


def test_what_explains_nothing_is_refused(tmp_path: Path) -> None:
    artifacts = ArtifactStore(str(tmp_path))
    _, booster = trees(WIDTH)
    uri, sha256 = artifacts.put("m", booster.model_to_string().encode())
    vectors = np.zeros((1, WIDTH))
    with pytest.raises(ArtifactMismatchError, match="its SHA-256 is the registered one"):
        Explainer(artifacts, uri, "0" * 64, WIDTH).explain(vectors, [0])
    with pytest.raises(UnfitModelError, match=f"its model's vector \\(3 values\\).* takes {WIDTH}"):
        Explainer(artifacts, uri, sha256, 3).explain(np.zeros((1, 3)), [0])
    with pytest.raises(UnfitModelError, match="a LightGBM booster as text"):
        Explainer(artifacts, *artifacts.put("m", b"tree\nnone"), WIDTH).explain(vectors, [0])
    with pytest.raises(UnfitModelError, match="of the format lightgbm"):
        explainer_of({"explainer": {"format": "shap", "uri": uri, "sha256": sha256}}, artifacts, WIDTH)
    assert explainer_of({}, artifacts, WIDTH) is None


def test_lightgbm_is_imported_only_where_somebody_asks(tmp_path: Path) -> None:
    _, booster = trees(WIDTH)
    uri, sha256 = ArtifactStore(str(tmp_path)).put("m", booster.model_to_string().encode())
    script = f"""
import sys
import numpy as np
from inference.artifacts import ArtifactStore
from inference.explainer import Explainer
import inference.serving
explainer = Explainer(ArtifactStore({str(tmp_path)!r}), {uri!r}, {sha256!r}, {WIDTH})
print("sklearn" in sys.modules)
print(explainer.explain(np.zeros((1, {WIDTH})), [0]).sum())
print("sklearn" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    before, raw, after = done.stdout.split()
    assert (before, after) == ("False", "True")
    assert float(raw) == pytest.approx(booster.predict(np.zeros((1, WIDTH)), raw_score=True)[0])
