from dataclasses import replace
from hashlib import sha256

import lightgbm
import numpy as np
import onnxruntime
import pytest

from flows.export import TOLERANCE, ExportMismatchError, check, export
from flows.training import Trained, train
from tests.flows.test_training import FEATURES, SMALL, table


@pytest.fixture(scope="module")
def trained() -> Trained:
    return train(table(), FEATURES, parameters=SMALL, seed=1)


def test_has_the_stated_inputs_and_outputs(trained: Trained) -> None:
    session = onnxruntime.InferenceSession(export(trained))
    (vector,) = session.get_inputs()
    assert (vector.name, vector.type, vector.shape) == ("vector", "tensor(float)", [None, 3])
    assert [o.name for o in session.get_outputs()] == ["label", "probabilities"]
    label, probabilities = session.run(None, {"vector": trained.holdout.vectors[:7]})
    assert label.shape == (7,)
    assert probabilities.shape == (7, 2)
    assert np.allclose(probabilities[:, 1], trained.holdout.scores[:7], atol=TOLERANCE)


def test_missing_values_go_the_trainers_way(trained: Trained) -> None:
    nothing = np.full((1, 3), np.nan, dtype=np.float32)
    (probabilities,) = onnxruntime.InferenceSession(export(trained)).run(
        ["probabilities"], {"vector": nothing}
    )
    assert probabilities[0, 1] == pytest.approx(trained.booster.predict(nothing)[0], abs=TOLERANCE)


def test_the_same_model_is_the_same_file(trained: Trained) -> None:
    again = train(table(), FEATURES, parameters=SMALL, seed=1)
    assert sha256(export(trained)).digest() == sha256(export(again)).digest()


def test_another_models_export_is_refused(trained: Trained) -> None:
    other = train(table(seed=2), FEATURES, parameters=SMALL, seed=1)
    payload = export(other)
    assert check(payload, other) <= TOLERANCE
    with pytest.raises(ExportMismatchError, match="is not registered") as refused:
        check(
            payload, replace(trained, booster=lightgbm.Booster(model_str=trained.booster.model_to_string()))
        )
    assert refused.value.worst > TOLERANCE
