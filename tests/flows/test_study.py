import json

import pytest

from features import Choice, Integer, Real
from flows.recipe import Recipe
from flows.study import Study, best
from inference.registry import Trial, TrialState
from tests.flows.searching import study

SPACE = {"num_leaves": Integer(4, 64), "learning_rate": Real(0.1, 0.3), "boosting": Choice(("gbdt", "dart"))}


def test_a_study_is_read_as_it_was_written() -> None:
    begun = study(space=SPACE)
    assert Study.from_dict(json.loads(json.dumps(begun.to_dict()))) == begun


def test_trials_state_what_is_searched_and_the_definition_the_rest() -> None:
    recipe = Recipe(("a",), parameters={"num_leaves": 7, "num_iterations": 20})
    begun = Study(recipe, SPACE, 3, 0, present={"num_leaves": 9, "boosting": "goss", "bagging": 1})
    assert begun.first == {"num_leaves": 9}  # the default rate, and the boosting, are not in the space
    assert begun.recipe_of({"num_leaves": 5}).parameters == {"num_leaves": 5, "num_iterations": 20}


@pytest.mark.parametrize(("task", "metric"), [("binary", "log_loss"), ("regression", "rmse")])
def test_the_loss_is_the_tasks(task: str, metric: str) -> None:
    assert Study(Recipe(("a",), task=task), SPACE, 3, 0, {}).metric == metric


def test_the_best_trial_has_the_smallest_value() -> None:
    values = [None, 0.7, 0.5, 0.5, None]
    trials = [Trial({}, TrialState.COMPLETE, (), value) for value in values]
    assert best(trials) == (2, trials[2])
    assert best(trials[:1]) is None


def test_a_study_goes_on_at_another_moment_and_with_the_same_search_alone() -> None:
    begun = study()
    assert begun.searches_as(Study(begun.recipe, begun.space, 3, until=5, present={}))
    assert not begun.searches_as(study(folds=4))
    assert not begun.searches_as(study(space=SPACE))
