"""One suite that every trainer passes, calibrated or not, of either task."""

from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256

import numpy as np
import onnxruntime
import pyarrow as pa
import pytest

from features.training import BINARY, REGRESSION, TRAINERS, Parameter
from flows.export import TOLERANCE, ExportMismatchError, check, export
from flows.recipe import Recipe
from flows.trainers import trainer
from flows.training import Trained, train
from inference.runtime import OnnxModel
from tests.flows.tables import FEATURES, table

OWN = "tests.flows.trainers.own:fit"
SMALL: dict[str, dict[str, Parameter]] = {
    "lightgbm": {"num_iterations": 20, "num_leaves": 7},
    "xgboost": {"n_estimators": 20, "max_depth": 3},
    "linear": {},
    "histogram_boosting": {"max_iter": 20, "max_leaf_nodes": 7},
    OWN: {"max_depth": 5},
}


@dataclass(frozen=True)
class Case:
    trainer: str
    task: str = BINARY
    calibrate: bool = False

    @property
    def recipe(self) -> Recipe:
        return Recipe(FEATURES, self.trainer, self.task, SMALL[self.trainer], self.calibrate, threshold=0.3)

    @property
    def table(self) -> pa.Table:
        return table(regression=self.task == REGRESSION)

    def __str__(self) -> str:
        return f"{self.trainer}-{self.task}{'-calibrated' * self.calibrate}"


CASES = [case for name in SMALL for case in (Case(name), Case(name, BINARY, True), Case(name, REGRESSION))]
cases = pytest.mark.parametrize("case", CASES, ids=str)
binary = pytest.mark.parametrize("case", [c for c in CASES if c.task == BINARY], ids=str)


@cache
def trained(case: Case) -> Trained:
    return train(case.table, case.recipe)


@cache
def exported(case: Case) -> bytes:
    return export(trained(case))


def run(case: Case, vectors: np.ndarray) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(exported(case))
    return dict(
        zip([o.name for o in session.get_outputs()], session.run(None, {"vector": vectors}), strict=True)
    )


def test_every_trainer_is_held_to_this_suite() -> None:
    assert set(TRAINERS) < set(SMALL)


@cases
def test_it_learns(case: Case) -> None:
    metrics = trained(case).metrics
    if case.task == BINARY:
        assert metrics["holdout_auc"] is not None
        assert metrics["holdout_auc"] > 0.75
        assert 0 < (metrics["holdout_log_loss"] or 0) < 0.65
    else:
        spread = float(np.std(trained(case).holdout.labels))
        assert 0 < (metrics["holdout_rmse"] or 0) < 0.8 * spread


@cases
def test_the_same_recipe_is_the_same_model_and_file(case: Case) -> None:
    again = train(case.table, case.recipe)
    assert np.array_equal(again.holdout.predictions, trained(case).holdout.predictions)
    assert sha256(export(again)).digest() == sha256(exported(case)).digest()


@cases
def test_the_order_of_the_rows_does_not_matter(case: Case) -> None:
    rows = case.table
    mixed = rows.take(pa.array(np.random.default_rng(2).permutation(len(rows))))
    assert np.array_equal(train(mixed, case.recipe).holdout.predictions, trained(case).holdout.predictions)


@cases
def test_the_file_has_the_inputs_and_outputs_that_serving_reads(case: Case) -> None:
    session = onnxruntime.InferenceSession(exported(case))
    (vector,) = session.get_inputs()
    assert (vector.name, vector.type, vector.shape) == ("vector", "tensor(float)", [None, 3])
    found = {
        name: (values.dtype, values.shape)
        for name, values in run(case, trained(case).holdout.vectors[:7]).items()
    }
    if case.task == BINARY:
        assert found == {"label": (np.int64, (7,)), "probabilities": (np.float32, (7, 2))}
    else:
        assert found == {"value": (np.float32, (7, 1))}


@cases
def test_serving_predicts_what_the_trainer_does(case: Case) -> None:
    held = trained(case).holdout
    served = OnnxModel(exported(case))
    assert served.width == 3
    found = served.predict(held.vectors.astype(np.float64))
    assert np.allclose(found.scores, held.predictions, atol=1e-4)
    decided = [str(int(score >= case.recipe.threshold)) for score in found.scores]
    assert found.classes == (decided if case.task == BINARY else None)


@cases
def test_missing_and_extreme_values_go_the_trainers_way(case: Case) -> None:
    nothing = np.full((1, 3), np.nan, dtype=np.float32)
    largest = np.full((1, 3), 1e6, dtype=np.float32)
    vectors = np.concatenate([nothing, largest, -largest, np.zeros((1, 3), np.float32)])
    expected = trained(case).fitted.predict(vectors)
    found = list(run(case, vectors).values())[-1][:, -1]
    assert np.allclose(found, expected, atol=TOLERANCE, rtol=TOLERANCE)


@cases
def test_another_models_file_is_refused(case: Case) -> None:
    other = train(table(seed=2, regression=case.task == REGRESSION), case.recipe)
    assert check(export(other), other) <= TOLERANCE
    with pytest.raises(ExportMismatchError, match="is not registered") as refused:
        check(export(other), trained(case))
    assert refused.value.worst > TOLERANCE


@binary
def test_the_label_goes_by_the_threshold(case: Case) -> None:
    found = run(case, trained(case).holdout.vectors)
    chances = found["probabilities"][:, 1].astype(np.float64)
    assert 0 < found["label"].sum() < len(chances)
    assert np.array_equal(found["label"], chances >= 0.3)
    assert np.allclose(found["probabilities"].sum(axis=1), 1)


@cases
def test_the_parameters_are_all_told(case: Case) -> None:
    recipe = trained(case).recipe
    assert recipe.parameters == trainer(case.trainer).complete(SMALL[case.trainer])
    assert recipe.parameters.items() >= SMALL[case.trainer].items()
    assert Recipe.from_dict(recipe.to_dict()) == recipe


@pytest.mark.parametrize("name", [n for n in SMALL if n != "linear"])
def test_the_seed_is_told_to_the_trainer(name: str) -> None:
    drawing: dict[str, dict[str, Parameter]] = {
        "lightgbm": {"bagging_fraction": 0.5, "bagging_freq": 1},
        "xgboost": {"subsample": 0.5},
        "histogram_boosting": {"max_features": 0.4},
        OWN: {"max_features": 1},
    }
    recipe = Recipe(FEATURES, name, parameters={**SMALL[name], **drawing[name]})
    one, other = (train(table(), replace(recipe, seed=seed)).holdout.predictions for seed in (1, 2))
    assert not np.array_equal(one, other)
