from dataclasses import replace
from pathlib import Path

import pytest

from features.search import Integer
from flows.context import Context
from flows.experiments import record
from flows.export import export
from flows.folds import Folds
from flows.recipe import Recipe
from flows.rerun import Difference, Rerun, RerunError, rerun, rerun_trials
from flows.rows import read_rows
from flows.study import Study
from flows.training import train
from inference.registry import Experiment, ExperimentKind, Trial, TrialState
from tests.flows.tables import FEATURES, SMALL, table
from tests.flows.world import NOW, TableDataset, World

DATASET = TableDataset("d", 2_000)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def trained(context: Context) -> Experiment:
    found = train(table(2_000), Recipe(FEATURES, parameters=SMALL, calibrate=True))
    record(context, "punctual", "first", DATASET, found, export(found))
    return context.registry.experiments.get("first")


def again(world: World, experiment: Experiment, dataset: TableDataset = DATASET, code: str = "test") -> Rerun:
    return rerun(
        experiment,
        dataset,
        world.registry,
        world.context.artifacts,
        experiment_id="second",
        code_version=code,
    )


def test_a_rerun_is_the_same_to_the_bit_and_a_child_of_the_experiment(world: World) -> None:
    first = trained(world.context)
    done = again(world, first, code="newer")
    assert done.same
    assert done.environment == (Difference("code", "test", "newer"),)
    child = world.registry.experiments.get("second")
    assert (child.kind, child.parent_experiment_id) == (ExperimentKind.RERUN, "first")
    kept = ("evaluation_metrics", "artifact_path", "recipe", "hyperparameters", "training_dataset_hash")
    assert all(getattr(child, name) == getattr(first, name) for name in kept)
    assert world.registry.versions("punctual") == []


def test_what_comes_out_otherwise_is_told(world: World) -> None:
    first = trained(world.context)
    recipe = Recipe.from_dict(first.recipe).with_parameters({**SMALL, "num_leaves": 3})
    done = again(world, replace(first, recipe=recipe.to_dict()))
    assert not done.same
    assert done.sha256.before == first.artifact_path.rpartition("/")[2] != done.sha256.after
    auc = next(d for d in done.metrics if d.name == "holdout_auc")
    assert auc.before == first.evaluation_metrics["holdout_auc"]
    assert auc.after == world.registry.experiments.get("second").evaluation_metrics["holdout_auc"]


def test_a_study_gives_the_losses_that_it_gave(world: World) -> None:
    recipe = Recipe(FEATURES, parameters=SMALL)
    study = Study(recipe, {"num_leaves": Integer(2, 15)}, folds=2, until=NOW, present={})
    first = replace(trained(world.context), kind=ExperimentKind.TUNING, recipe=study.to_dict())
    folds = Folds(study, read_rows(table(2_000), FEATURES))
    whole = tuple(folds.loss({"num_leaves": 5}, fold) for fold in range(2))
    trials = [
        Trial({"num_leaves": 5}, TrialState.COMPLETE, whole, sum(whole) / 2),
        Trial({"num_leaves": 9}, TrialState.PRUNED, (folds.loss({"num_leaves": 9}, 0),)),
        Trial({"num_leaves": -1}, TrialState.FAILED, reason="LightGBMError"),
    ]
    assert rerun_trials(first, trials, DATASET) == ()
    other = replace(trials[0], hyperparameters={"num_leaves": 6})
    (differs,) = rerun_trials(first, [trials[1], other], DATASET)
    assert (differs.name, differs.before) == ("trial 1", whole)
    with pytest.raises(RerunError, match="d@1 had hash 0 and has 1"):
        rerun_trials(first, trials, replace(DATASET, content_hash="1"))


def test_other_rows_and_what_has_no_recipe_are_not_run_again(world: World) -> None:
    first = trained(world.context)
    with pytest.raises(RerunError, match="d@1 had hash 0 and has 1"):
        again(world, first, replace(DATASET, content_hash="1"))
    with pytest.raises(RerunError, match="before recipes were kept"):
        again(world, replace(first, recipe={}))
    assert world.registry.experiments.find("second") is None
