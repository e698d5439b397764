from dataclasses import replace
from typing import Any

import pytest

from features import DefinitionError
from features.compile_model import compile_model
from features.training import TRAINERS
from features.vector import ModelPlan
from tests.definitions import late


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"task": "ranking"}, "a model's task is one of binary, regression"),
        ({"trainer": "catboost"}, "a trainer is one of lightgbm"),
        ({"trainer": "my module:fit"}, "a trainer is one of lightgbm"),
        ({"task": "regression", "calibrate": True}, "chances are calibrated"),
        ({"threshold": 1.0}, "threshold is a chance between 0 and 1"),
        ({"threshold": float("nan")}, "threshold is a chance between 0 and 1"),
    ],
)
def test_what_cannot_be_trained_is_refused(change: dict[str, Any], rule: str) -> None:
    with pytest.raises(DefinitionError, match=rule):
        compile_model(replace(late, **change))


@pytest.mark.parametrize("name", [*TRAINERS, "my.module:fit"])
def test_a_trainer_is_named_or_ones_own(name: str) -> None:
    assert compile_model(replace(late, trainer=name)).task == "binary"


def test_task_and_threshold_are_in_the_signature() -> None:
    plan = compile_model(replace(late, threshold=0.3))
    assert (plan.to_dict()["task"], plan.to_dict()["threshold"]) == ("binary", 0.3)
    assert ModelPlan.from_dict(plan.to_dict()) == plan
    former = {k: v for k, v in plan.to_dict().items() if k not in ("task", "threshold")}
    assert (ModelPlan.from_dict(former).task, ModelPlan.from_dict(former).threshold) == ("binary", 0.5)
