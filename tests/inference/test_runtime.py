import numpy as np
import pytest
from onnx import load_model_from_string
from onnx.helper import set_model_props
from sklearn.linear_model import LinearRegression

from inference.runtime import VECTOR, OnnxModel, UnfitModelError

from .onnx_models import classes, classifier, export, regressor, targets


def test_a_classifier_gives_the_positive_probability() -> None:
    model = OnnxModel(classifier(3, 0.5))
    assert model.width == 3
    found = model.predict(np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]]))
    assert found.scores.dtype == np.float64
    np.testing.assert_allclose(found.scores, [1 / (1 + np.exp(-3.0)), 0.5], rtol=1e-6)
    np.testing.assert_allclose(found.outputs, np.column_stack([1 - found.scores, found.scores]), atol=1e-6)
    assert (model.outputs, model.classifies, found.classes) == (2, True, ["1", "0"])


def test_of_several_classes_the_score_is_the_predicted_ones() -> None:
    model = OnnxModel(classes(2, ["early", "late", "lost"]))
    found = model.predict(np.array([[0.5, 0.5], [-1.0, 0.0]]))
    powers = np.exp([0.0, 1.0, 2.0]) / np.exp([0.0, 1.0, 2.0]).sum()
    np.testing.assert_allclose(found.outputs, [powers, powers[::-1]], rtol=1e-6)
    np.testing.assert_allclose(found.scores, [powers[2], powers[2]], rtol=1e-6)
    assert (model.outputs, found.classes) == (3, ["lost", "early"])


def test_of_several_targets_the_score_is_the_first() -> None:
    model = OnnxModel(targets(2, 2))
    found = model.predict(np.array([[1.0, 4.0], [0.0, 1.0]]))
    np.testing.assert_allclose(found.outputs, [[5.0, 10.0], [1.0, 2.0]], rtol=1e-6)
    np.testing.assert_allclose(found.scores, [5.0, 1.0], rtol=1e-6)
    assert (model.outputs, model.classifies, found.classes) == (2, False, None)


def test_a_regressor_gives_its_value() -> None:
    found = OnnxModel(regressor(2, 2.0)).predict(np.array([[1.0, 4.0]]))
    np.testing.assert_allclose(found.scores, [10.0], rtol=1e-6)
    assert (found.outputs.tolist(), found.classes) == ([[pytest.approx(10.0)]], None)


def test_what_cannot_serve_is_refused() -> None:
    with pytest.raises(UnfitModelError, match="is an ONNX file"):
        OnnxModel(b"not a model")
    torn = load_model_from_string(regressor(2))
    set_model_props(torn, {VECTOR: "a, b"})
    with pytest.raises(UnfitModelError, match=r"as a JSON list, under augury\.vector.*'a, b'"):
        OnnxModel(torn.SerializeToString())
    with pytest.raises(UnfitModelError, match="zipmap off"):
        OnnxModel(classifier(2, zipmap=True))
    loose = LinearRegression()
    loose.coef_, loose.intercept_ = np.ones(2), 0.0
    with pytest.raises(UnfitModelError, match="of a fixed width"):
        OnnxModel(export(loose, None, None))
