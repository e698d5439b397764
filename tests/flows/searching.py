"""A small study on a registry database: in this process, or as `python -m tests.flows.searching URL ID …`."""

import sys
from pathlib import Path
from typing import Any

from features import Integer, Real
from features.search import Space
from flows.folds import Folds
from flows.recipe import Recipe
from flows.rows import read_rows
from flows.search import Budget, search
from flows.study import Study
from inference.registry import ExperimentKind, Registry
from tests.flows.tables import FEATURES, SMALL, table

NOTED = "tests.flows.trainers.noted:fit"
SPACE: Space = {"num_leaves": Integer(2, 31, log=True), "learning_rate": Real(1e-4, 0.3, log=True)}


def study(folds: int = 3, space: Space = SPACE) -> Study:
    recipe = Recipe(FEATURES, parameters=SMALL)
    return Study(recipe, space, folds, until=1_000, present=recipe.parameters)


def noted(folder: Path, together: int = 1) -> Study:
    """Give a study whose fits leave a file each, and wait for `together` of them."""
    present = {"max_depth": 3, "folder": str(folder), "together": together}
    recipe = Recipe(FEATURES, NOTED, parameters=present)
    return Study(recipe, {"max_depth": Integer(1, 6)}, 3, until=1_000, present=present)


def opened(url: str) -> Registry:
    registry = Registry(url, lambda: 1_000)
    registry.migrate()
    return registry


def begin(registry: Registry, study_id: str, begun: Study) -> None:
    registry.experiments.record(
        experiment_id=study_id,
        kind=ExperimentKind.TUNING,
        model_type=begun.recipe.trainer,
        hyperparameters={},
        recipe=begun.to_dict(),
        training_dataset_version="d@1",
        feature_group_versions={},
        evaluation_metrics={},
        artifact_path="",
        code_version="test",
        environment={},
        seed=1,
    )


def run(registry: Registry, study_id: str, budget: Budget, rows: int = 2_000, **more: Any) -> None:
    begun = Study.from_dict(registry.experiments.get(study_id).recipe)
    search(study_id, begun, Folds(begun, read_rows(table(rows), FEATURES)), registry, budget, **more)


if __name__ == "__main__":
    address, identity, trials, workers, many = sys.argv[1:]
    run(opened(address), identity, Budget(int(trials), workers=int(workers)), int(many))
