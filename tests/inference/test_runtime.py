import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from inference.runtime import OnnxModel, UnfitModelError

from .onnx_models import classifier, export, regressor


def test_a_classifier_gives_the_positive_probability() -> None:
    model = OnnxModel(classifier(3, 0.5))
    assert model.width == 3
    found = model.predict(np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]]))
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, [1 / (1 + np.exp(-3.0)), 0.5], rtol=1e-6)


def test_a_regressor_gives_its_value() -> None:
    np.testing.assert_allclose(
        OnnxModel(regressor(2, 2.0)).predict(np.array([[1.0, 4.0]])), [10.0], rtol=1e-6
    )


def test_what_cannot_serve_is_refused() -> None:
    with pytest.raises(UnfitModelError, match="is an ONNX file"):
        OnnxModel(b"not a model")
    with pytest.raises(UnfitModelError, match="zipmap off"):
        OnnxModel(classifier(2, zipmap=True))
    loose = LinearRegression()
    loose.coef_, loose.intercept_ = np.ones(2), 0.0
    with pytest.raises(UnfitModelError, match="of a fixed width"):
        OnnxModel(export(loose, None, None))
