import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
import numpy as np
import onnxruntime
import pyarrow as pa
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from features import GatePolicy
from features.vector import ModelPlan
from flows.context import configure
from flows.export import ExportMismatchError, export
from flows.gates import GateError
from flows.recipe import Recipe
from flows.retrain import retrain
from flows.training import Trained, train
from inference.artifacts import ArtifactStore
from inference.explainer import explainer_of
from inference.registry import ModelStatus
from tests.flows.tables import table
from tests.flows.world import DAY, NOW, TableDataset, World

pytestmark = pytest.mark.stack


@pytest.fixture
def world(tmp_path: Path, stack: Any) -> Iterator[World]:
    made = World(tmp_path)
    configure(made.context)
    with temporary_settings({PREFECT_API_URL: stack.settings.prefect_api_url}):
        yield made


def test_an_alert_ends_with_one_version_in_staging(world: World, stack: Any, tmp_path: Path) -> None:
    assert retrain("punctual", "alert-1", "line_trips.v1/punctual", NOW) == 1
    version = world.registry.get("punctual", 1)
    assert version.status is ModelStatus.STAGING
    artifacts = ArtifactStore(f"file://{tmp_path}/artifacts")
    explainer = explainer_of(version.signature, artifacts, 3)
    assert explainer is not None
    raw = explainer.explain(np.zeros((1, 3)), [0]).sum()
    plan = world.project.model_plans["punctual"]
    assert version.signature == plan.to_dict() | {"explainer": version.signature["explainer"]}
    assert ModelPlan.from_dict(version.signature) == plan
    assert world.asked == [("punctual", "punctual-alert-1", NOW)]
    assert world.published == ["registered 1"]
    experiment = world.registry.experiments.get(version.experiment_id)
    assert experiment.model_name == "punctual"
    assert experiment.training_dataset_version == "punctual-alert-1@1"
    again = train(table(2_000), Recipe.from_dict(experiment.recipe))  # the row is all that it takes
    assert again.metrics == experiment.evaluation_metrics
    assert hashlib.sha256(export(again)).hexdigest() == version.sha256
    ((*frozen, scores, labels),) = world.frozen
    assert frozen == ["punctual", version.experiment_id, "a_table"]
    assert len(scores) == len(labels) == 400  # the holdout's
    payload = artifacts.get(version.artifact_uri, version.sha256)
    (chances,) = onnxruntime.InferenceSession(payload).run(
        ["probabilities"], {"vector": np.zeros((1, 3), np.float32)}
    )
    assert chances[0, 1] == pytest.approx(1 / (1 + np.exp(-raw)), abs=1e-5)
    answer = httpx.post(
        f"{stack.settings.prefect_api_url}/artifacts/filter",
        json={"artifacts": {"key": {"any_": ["model-punctual"]}}, "sort": "CREATED_DESC"},
    )
    assert f"({version.artifact_uri})" in answer.json()[0]["data"]  # a link

    assert retrain("punctual", "alert-1", "line_trips.v1/punctual", NOW) == 1
    assert len(world.registry.versions("punctual")) == 1
    assert len(world.asked) == 1
    assert retrain("punctual", "alert-2", "line_trips.v1/punctual", NOW + DAY) == 2


def test_policies_of_a_model_share_what_a_day_may_set_off_and_who_asks_by_hand_does_not(
    world: World,
) -> None:
    day = NOW - NOW % DAY
    assert retrain("punctual", "drifted", "line_trips.v1/punctual", day) == 1
    assert retrain("punctual", "harmed", "auc/punctual", day + DAY - 1) is None
    assert world.registry.experiments.find("punctual-harmed") is None
    assert retrain("punctual", "drifted", "line_trips.v1/punctual", day) == 1  # it has its own
    assert retrain("punctual", "wanted", "augury train", day) == 2
    assert retrain("punctual", "harmed-again", "auc/punctual", day + DAY) == 3


def test_while_a_challenger_is_judged_no_alert_trains_another(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, who = world.registry, {"by": "ann", "why": "a test"}
    for day in range(2):
        assert retrain("punctual", f"alert-{day}", "line_trips.v1/punctual", NOW + day * DAY) == day + 1
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr("flows.retrain.await_warehouse", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            retrain("punctual", "killed", "line_trips.v1/punctual", NOW + 2 * DAY)
    registry.promote("punctual", 1, **who)
    registry.start_trial("punctual", 2, **who)
    for at in (NOW + 3 * DAY, NOW + 4 * DAY):
        assert retrain("punctual", f"harm-{at}", "auc/punctual", at) is None
        registry.canaries.begin("punctual", 2, 0.1, **who)  # and then it has a share
    assert retrain("punctual", "killed", "line_trips.v1/punctual", NOW + 2 * DAY) == 3  # it had begun before
    assert retrain("punctual", "wanted", "augury train", NOW + 5 * DAY) == 4
    registry.reject("punctual", 2, **who)
    assert retrain("punctual", "harm-later", "auc/punctual", NOW + 6 * DAY) == 5


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


def test_a_run_that_failed_after_training_goes_on_with_what_was_trained(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[Trained] = []

    def counted(*of: Any) -> Trained:
        trained.append(train(*of))
        return trained[-1]

    def refused(_trained: Trained) -> bytes:
        raise ExportMismatchError(1.0, 1)

    monkeypatch.setattr("flows.retrain.train", counted)
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr("flows.retrain.export", refused)
        with pytest.raises(ExportMismatchError):
            retrain("punctual", "exported-later", "line_trips.v1/punctual", NOW)
    assert world.registry.versions("punctual") == []
    assert retrain("punctual", "exported-later", "line_trips.v1/punctual", NOW) == 1
    (version,) = world.registry.versions("punctual")
    (once,) = trained
    assert world.registry.experiments.get(version.experiment_id).evaluation_metrics == once.metrics


def gated(world: World, **limits: Any) -> None:
    """Move limits of the gates of the world's model."""
    policies = [replace(p, **limits) if isinstance(p, GatePolicy) else p for p in world.project.policies]
    configure(replace(world.context, project=replace(world.project, policies=tuple(policies))))


def test_a_training_set_that_fails_a_gate_is_not_learned_from(world: World) -> None:
    gated(world, min_rows=2_001)
    with pytest.raises(GateError, match="at least 2001 rows"):
        retrain("punctual", "alert-1", "line_trips.v1/punctual", NOW)
    assert world.registry.versions("punctual") == []
    assert [(r.gate, r.passed) for r in world.registry.gates.results("punctual-alert-1")] == [
        ("schema", True),
        ("rows", False),
    ]
    (alert,) = world.alerts
    assert (alert["alert_id"], alert["kind"], alert["at"]) == ("gate/punctual-alert-1/data", "gate", NOW)
    (failed,) = json.loads(alert["evidence"])["failed"]
    assert failed["value"] == "2000"


def test_a_model_that_fails_a_gate_is_kept_and_not_registered(world: World, stack: Any) -> None:
    gated(world, max_size_mb=1e-6)
    with pytest.raises(GateError, match="size"):
        retrain("punctual", "alert-1", "line_trips.v1/punctual", NOW)
    assert world.registry.versions("punctual") == []
    assert [a["alert_id"] for a in world.alerts] == ["gate/punctual-alert-1/model"]
    assert world.registry.experiments.get("punctual-alert-1").evaluation_metrics["holdout_rows"] == 400
    kept = world.registry.experiments.get("punctual-alert-1").artifact_path
    onnxruntime.InferenceSession(Path(unquote(urlsplit(kept).path)).read_bytes())
    found = {r.gate: r for r in world.registry.gates.results("punctual-alert-1")}
    assert len(found) == 10
    assert [name for name, r in found.items() if not r.passed] == ["size"]
    assert found["improvement"].value == "not judged: there is no champion"
    answer = httpx.post(
        f"{stack.settings.prefect_api_url}/artifacts/filter",
        json={"artifacts": {"key": {"any_": ["gates-model-punctual"]}}, "sort": "CREATED_DESC"},
    )
    assert "| size | **failed**: " in answer.json()[0]["data"]

    configure(world.context)  # the usual gates, and the same alert again
    assert retrain("punctual", "alert-1", "line_trips.v1/punctual", NOW) == 1
    assert all(r.passed for r in world.registry.gates.results("punctual-alert-1"))


def test_a_challenger_is_measured_beside_the_champion(world: World) -> None:
    read: list[str] = []

    def training_set(dataset_version: str) -> pa.Table:
        read.append(dataset_version)
        return table(2_000, seed=5)

    retrain("punctual", "alert-1", "line_trips.v1/punctual", NOW)
    world.registry.promote("punctual", 1, by="ann", why="the first")
    configure(replace(world.context, training_set=training_set))
    assert retrain("punctual", "alert-2", "line_trips.v1/punctual", NOW + DAY) == 2
    found = {r.gate: r.value for r in world.registry.gates.results("punctual-alert-2")}
    assert read == ["punctual-alert-1@1"]
    assert found["improvement"].startswith("+0.0000: ")  # it was trained on the same rows
    assert "rise most in" in found["missing values"]
    assert "not judged" not in found["anomalous values"]


def test_a_champion_that_has_learned_from_the_holdout_is_no_measure(world: World) -> None:
    retrain("punctual", "alert-1", "line_trips.v1/punctual", NOW)
    world.registry.promote("punctual", 1, by="ann", why="the first")
    longer = world.registry.experiments.get("punctual-alert-1").evaluation_metrics["holdout_start"]
    assert longer is not None
    configure(replace(world.context, dataset=lambda _model, name, _end: TableDataset(name, 1_500)))
    retrain("punctual", "shorter", "line_trips.v1/punctual", NOW + DAY)
    found = {r.gate: r for r in world.registry.gates.results("punctual-shorter")}
    said = f"not judged: version 1 has learned from rows of this holdout, .* its own at {longer:.0f} ms"
    assert re.match(said, found["improvement"].value)


def test_a_champion_that_cannot_be_compared_with_is_named(world: World) -> None:
    world.crown()
    retrain("punctual", "alert-1", "line_trips.v1/punctual", NOW)
    found = {r.gate: r for r in world.registry.gates.results("punctual-alert-1")}
    assert found["improvement"].value.startswith("not judged: version 1 cannot be loaded")
