from dataclasses import replace
from typing import Any

import pytest

from features import DefinitionError, EvaluationPolicy, Guard, Sprt
from tests.definitions import late


def test_the_method_is_that_of_the_metric_and_the_mode() -> None:
    assert EvaluationPolicy(late).weighed_by == "e-process"
    assert EvaluationPolicy(late, mode="split").weighed_by == "asymptotic"
    assert EvaluationPolicy(late, metric="log_loss").weighed_by == "asymptotic"
    assert EvaluationPolicy(late, minimum_improvement=0.01).weighed_by == "asymptotic"


def test_decisions_are_the_models_unless_the_policy_states_a_threshold() -> None:
    model = replace(late, threshold=0.3)
    assert EvaluationPolicy(model).decision_threshold == 0.3
    assert EvaluationPolicy(model, threshold=0.0).decision_threshold == 0.0


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ({"metric": "luck"}, "accuracy, log_loss.*'luck'"),
        ({"guards": [Guard("luck", 0.1)]}, "accuracy, log_loss.*'luck'"),
        ({"alpha": 0.0}, "error rate.*0"),
        ({"min_units": 200, "max_units": 100}, "min_units to max_units.*200"),
        ({"minimum_improvement": -0.1}, "0 or more.*-0.1"),
        ({"effect": 0.01, "minimum_improvement": 0.02}, "above the minimum improvement.*0.01"),
        ({"missing": float("nan")}, "finite number.*nan"),
        ({"mode": "half"}, "shadow or in split.*'half'"),
        ({"mode": "split", "share": 0.7}, "half of the entities.*0.7"),
        ({"mode": "split", "metric": "auc"}, "shadow mode.*auc"),
        ({"metric": "auc", "max_units": 1_000}, "after 30 of them"),
        ({"block": 10, "k": 10}, "10 units or more"),
        ({"metric": "value"}, "value of decisions"),
        ({"value": "label"}, "value of decisions.*'label'"),
        ({"metric": "value", "value": "label > 0"}, "a value is a number"),
        ({"horizon": "1m"}, "labels are awaited.*'1m'"),
        ({"method": "guess"}, "a method is one of.*'guess'"),
        ({"method": "sprt"}, "p0 and p1"),
        ({"sprt": Sprt(0.5, 0.6)}, "p0 and p1"),
        ({"method": "sprt", "sprt": Sprt(0.6, 0.5)}, "p0 is below p1"),
        ({"method": "e-process", "metric": "brier"}, "e-process is of accuracy"),
        ({"method": "bernstein", "metric": "rmse"}, "known range"),
    ],
)
def test_what_cannot_be_meant_is_refused(stated: dict[str, Any], said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        EvaluationPolicy(late, **stated)
