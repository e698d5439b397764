from dataclasses import replace
from pathlib import Path

import pytest

from flows.context import Context
from flows.experiments import record
from flows.export import export
from flows.recipe import Recipe
from flows.rerun import Difference, Rerun, RerunError, rerun
from flows.training import train
from inference.registry import Experiment, ExperimentKind
from tests.flows.tables import FEATURES, SMALL, table
from tests.flows.world import TableDataset, World

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


def test_other_rows_studies_and_what_has_no_recipe_are_not_run_again(world: World) -> None:
    first = trained(world.context)
    with pytest.raises(RerunError, match="d@1 had hash 0 and has 1"):
        again(world, first, replace(DATASET, content_hash="1"))
    with pytest.raises(RerunError, match="first is a study"):
        again(world, replace(first, kind=ExperimentKind.TUNING))
    with pytest.raises(RerunError, match="before recipes were kept"):
        again(world, replace(first, recipe={}))
    assert world.registry.experiments.find("second") is None
