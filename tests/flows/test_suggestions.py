from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from features import Choice, Integer, Real
from flows.study import Study
from flows.suggestions import UNPRUNED, Suggestions
from inference.registry import Trial, TrialState
from tests.flows.searching import study

SPACE = {
    "num_leaves": Integer(2, 64, log=True),
    "max_depth": Integer(-3, 9),
    "learning_rate": Real(0.001, 0.3, log=True),
    "bagging_fraction": Real(0.5, 1.0),
    "boosting": Choice(("gbdt", "dart")),
}


def complete(begun: Study, hyperparameters: dict[str, object], value: float) -> Trial:
    return Trial(hyperparameters, TrialState.COMPLETE, (value,) * begun.folds, value)


def suggested(begun: Study, ended: Sequence[Trial]) -> dict[str, object]:
    suggestions = Suggestions(begun)
    suggestions.learn(ended)
    return dict(suggestions.ask()[1])


@given(st.lists(st.sampled_from([0.1, 0.4, None]), max_size=14))
def test_a_study_goes_on_as_if_it_had_not_stopped(values: list[float | None]) -> None:
    begun = study(space=SPACE)
    through, ended = Suggestions(begun), list[Trial]()
    for value in values:
        through.learn(ended)
        key, parameters = through.ask()
        through.close(key)
        state = TrialState.FAILED if value is None else TrialState.COMPLETE
        ended.append(Trial(dict(parameters), state, (), value))
    through.learn(ended)
    asked = dict(through.ask()[1])
    assert asked == suggested(begun, ended)
    if ended:
        assert asked.keys() == SPACE.keys()
        assert 2 <= int(asked["num_leaves"]) <= 64
        assert asked["boosting"] in ("gbdt", "dart")


def test_the_first_trial_is_what_holds_at_present() -> None:
    begun = study(space=SPACE)
    assert suggested(begun, []) == {"num_leaves": 7, "learning_rate": 0.05}


def test_open_trials_are_not_suggested_again() -> None:
    suggestions = Suggestions(study(space=SPACE))
    asked = [str(suggestions.ask()[1]) for _ in range(6)]
    assert len(set(asked)) == 6


def test_what_is_worse_than_the_median_at_the_same_fold_is_hopeless() -> None:
    begun = study(space=SPACE)
    some = [complete(begun, {"num_leaves": n + 2}, 0.5 + n / 10) for n in range(UNPRUNED)]
    suggestions = Suggestions(begun)
    suggestions.learn(some)
    worse, better = suggestions.ask()[0], suggestions.ask()[0]
    assert suggestions.hopeless(worse, [0.8])
    assert not suggestions.hopeless(better, [0.6])
    assert not suggestions.hopeless(better, [0.6, 0.7])

    few = Suggestions(begun)
    few.learn(some[1:])
    assert not few.hopeless(few.ask()[0], [9.0])
