import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.context import configure
from flows.export import export
from flows.recipe import Recipe
from flows.retrain import retrain
from flows.training import train
from inference.artifacts import ArtifactStore
from inference.registry import ModelStatus
from tests.flows.tables import table
from tests.flows.world import NOW, World

pytestmark = pytest.mark.stack


@pytest.fixture
def world(tmp_path: Path, stack: Any) -> Iterator[World]:
    made = World(tmp_path)
    configure(made.context)
    with temporary_settings({PREFECT_API_URL: stack.settings.prefect_api_url}):
        yield made


def test_an_alert_ends_with_one_version_in_staging(world: World, tmp_path: Path) -> None:
    assert retrain("punctual", "alert-1", "line_trips.v1/punctual", NOW) == 1
    version = world.registry.get("punctual", 1)
    assert version.status is ModelStatus.STAGING
    assert version.signature == world.project.model_plans["punctual"].to_dict()
    assert world.asked == [("punctual", "punctual-alert-1", NOW)]
    assert world.published == ["registered 1"]
    experiment = world.registry.experiments.get(version.experiment_id)
    assert experiment.model_name == "punctual"
    assert experiment.training_dataset_version == "punctual-alert-1@1"
    again = train(table(2_000), Recipe.from_dict(experiment.recipe))  # the row is all that it takes
    assert again.metrics == experiment.evaluation_metrics
    assert hashlib.sha256(export(again)).hexdigest() == version.sha256
    ((*frozen, scores),) = world.frozen
    assert frozen == ["punctual", version.experiment_id, "a_table"]
    assert len(scores) == 400  # the holdout's
    payload = ArtifactStore(f"file://{tmp_path}/artifacts").get(version.artifact_uri, version.sha256)
    (chances,) = onnxruntime.InferenceSession(payload).run(
        ["probabilities"], {"vector": np.zeros((1, 3), np.float32)}
    )
    assert 0 < chances[0, 1] < 1

    assert retrain("punctual", "alert-1", "line_trips.v1/punctual", NOW) == 1
    assert len(world.registry.versions("punctual")) == 1
    assert len(world.asked) == 1
    assert retrain("punctual", "alert-2", "line_trips.v1/punctual", NOW) == 2


def test_a_run_that_died_before_publishing_is_finished_by_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.retrain.publish_changes", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        retrain("punctual", "alert-1", "line_trips.v1/punctual", NOW)
    monkeypatch.undo()
    assert world.published == []
    assert retrain("punctual", "alert-1", "line_trips.v1/punctual", NOW) == 1
    assert world.published == ["registered 1"]
