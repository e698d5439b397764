from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.runtime import flow_run
from prefect.settings import PREFECT_API_URL, temporary_settings

from features import Integer, Search
from flows.context import Context, configure
from flows.experiments import next_recipe
from flows.retrain import retrain
from flows.study import TuningError, best
from flows.tune import tune
from flows.tuning import due
from inference.registry import ExperimentKind, Trial, TrialState
from tests.flows.tables import SMALL
from tests.flows.world import DAY, NOW, World

SEARCH = Search({"num_leaves": Integer(2, 31, log=True)}, trials=3, folds=2)


def searched(world: World, search: Search | None, **change: Any) -> Context:
    """Give the world's context with another search in its model's definition."""
    model = replace(world.project.models[0], search=search, **change)
    return replace(world.context, project=replace(world.project, models=(model,)))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def served(world: World, stack: Any) -> Iterator[str]:
    """The address of a Prefect server that flows of this process run on."""
    configure(searched(world, SEARCH))
    with temporary_settings({PREFECT_API_URL: stack.settings.prefect_api_url}):
        yield stack.settings.prefect_api_url


def test_a_retraining_searches_first_where_what_was_found_is_old(world: World) -> None:
    weekly = searched(world, replace(SEARCH, every="7d"))
    assert due(weekly, "punctual", NOW)
    assert not due(searched(world, SEARCH), "punctual", NOW)
    assert not due(searched(world, None), "punctual", NOW)
    world.registry.set_training_config("punctual", SMALL, {"trainer": "lightgbm", "until": NOW})
    assert not due(weekly, "punctual", NOW + 7 * DAY - 1)
    assert due(weekly, "punctual", NOW + 7 * DAY)
    world.registry.set_training_config("punctual", SMALL, {"trainer": "xgboost", "until": NOW})
    assert due(weekly, "punctual", NOW)


@pytest.mark.stack
def test_the_best_of_a_study_is_what_the_next_training_starts_from(world: World, served: str) -> None:
    told: list[Trial] = []
    configure(replace(searched(world, SEARCH), on_trial=told.append))
    number = tune("punctual", "tuned-1", NOW)
    study = world.registry.experiments.get("tuned-1")
    assert (study.kind, study.model_name) == (ExperimentKind.TUNING, "punctual")
    assert study.training_dataset_version == "tuned-1@1"
    trials = world.registry.experiments.trials("tuned-1")
    assert trials == told
    assert len(trials) == 3
    assert best(trials) == (number, trials[number])
    config = world.registry.training_config("punctual")
    assert config is not None
    assert config.hyperparameters == {**SMALL, **trials[number].hyperparameters}
    assert config.provenance == {
        "trainer": "lightgbm",
        "until": NOW,
        "study": "tuned-1",
        "trial": number,
        "trials": 3,
        "metric": "log_loss",
        "value": trials[number].value,
        "folds": list(trials[number].losses),
        "training_dataset_version": "tuned-1@1",
        "training_dataset_hash": "0",
    }
    assert next_recipe(world.context, "punctual").parameters == config.hyperparameters
    answer = httpx.post(
        f"{served}/artifacts/filter",
        json={"artifacts": {"key": {"any_": ["trials-punctual"]}}, "sort": "CREATED_DESC"},
    )
    assert '"num_leaves": 7' in answer.json()[0]["data"]

    tune("punctual", "tuned-1", NOW + DAY, trials=4)  # the present is another now, the study goes on
    assert world.registry.experiments.trials("tuned-1")[:3] == trials
    assert len(world.registry.experiments.trials("tuned-1")) == 4

    with pytest.raises(TuningError, match="none of the 0 trials of no-time"):
        tune("punctual", "no-time", NOW, minutes=0.0)
    configure(searched(world, replace(SEARCH, folds=3)))
    with pytest.raises(TuningError, match="the definition of punctual has changed since tuned-1"):
        tune("punctual", "tuned-1", NOW)
    configure(searched(world, None))
    with pytest.raises(TuningError, match="punctual has none"):
        tune("punctual", "tuned-2", NOW)


@pytest.mark.stack
def test_a_study_in_which_nothing_can_be_trained_changes_nothing(world: World, served: str) -> None:
    configure(searched(world, replace(SEARCH, trials=2), trainer="nowhere:fit"))
    with pytest.raises(TuningError, match=r"none of the 2 trials of tuned-1 has one.*'nowhere:fit'"):
        tune("punctual", "tuned-1", NOW)
    assert [t.state for t in world.registry.experiments.trials("tuned-1")] == [TrialState.FAILED] * 2
    assert world.registry.training_config("punctual") is None


@pytest.mark.stack
def test_the_page_of_a_retraining_shows_how_far_its_search_has_come(world: World, served: str) -> None:
    shown: list[tuple[str, float, str]] = []

    def look(_trial: Trial) -> None:
        asked = {"artifacts": {"key": {"any_": ["search-punctual"]}}, "sort": "CREATED_DESC"}
        for bar in httpx.post(f"{served}/artifacts/filter", json=asked).json():
            if bar["flow_run_id"] == flow_run.get_id():
                shown.append((bar["type"], bar["data"], bar["description"]))
                if len(shown) == 3:  # a bar that somebody deletes stops nothing
                    httpx.delete(f"{served}/artifacts/{bar['id']}").raise_for_status()

    configure(replace(searched(world, replace(SEARCH, trials=4, every="7d")), on_trial=look))
    assert retrain("punctual", "shown", "line_trips.v1/punctual", NOW) == 1
    study = "punctual-shown-tuning"
    assert shown == [("progress", 25 * n, f"{n} of 4 trials of {study}") for n in (1, 2, 3)]
    assert len(world.registry.experiments.trials(study)) == 4


@pytest.mark.stack
def test_a_retraining_learns_by_what_it_has_found(world: World, served: str) -> None:
    configure(searched(world, replace(SEARCH, every="7d")))
    assert retrain("punctual", "alert-1", "line_trips.v1/punctual", NOW) == 1
    trials = world.registry.experiments.trials("punctual-alert-1-tuning")
    found = best(trials)
    assert found is not None
    trained = world.registry.experiments.get("punctual-alert-1")
    assert trained.hyperparameters["num_leaves"] == found[1].hyperparameters["num_leaves"]
    assert world.asked == [("punctual", "punctual-alert-1", NOW)]  # one training set for both
    assert retrain("punctual", "alert-2", "line_trips.v1/punctual", NOW + DAY) == 2
    assert world.registry.experiments.all(kind=ExperimentKind.TUNING, model_name="punctual")[1:] == []
