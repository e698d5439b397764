"""What the warehouse's views say of versions and of routing is what the registry holds."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import count
from typing import Any

import pytest

from augury.experiments import records
from inference.registry import Registry, ServingConfig
from tests.inference.registry.test_registry import WHO, register
from tests.warehouse.test_experiments import rows, sink
from warehouse.client import Client
from warehouse.policies import record_policies

pytestmark = pytest.mark.stack


@pytest.fixture
def registry() -> Iterator[Registry]:
    ticks = count(1_700_000_000_000)
    held = Registry("sqlite://", lambda: next(ticks))
    held.migrate()
    yield held
    held.close()


def publish(client: Client, held: Registry) -> None:
    events = held.unpublished_events()
    sink(client, {"registry.events": [asdict(event) for event in events]})
    held.mark_published([event.event_id for event in events])


def canary(held: Registry) -> Any:
    found = held.canaries.on("late")
    assert found is not None
    return found


STEPS: dict[str, Callable[[Registry], Any]] = {
    "registered": lambda held: [register(held) for _ in range(4)],
    "the first champion": lambda held: held.promote("late", 1, **WHO),
    "a shadow": lambda held: held.start_trial("late", 2, **WHO),
    "rejected": lambda held: held.reject("late", 2, **WHO),
    "a split trial": lambda held: held.start_trial("late", 3, share=0.1, **WHO),
    "promoted": lambda held: held.promote("late", 3, **WHO),
    "taken back": lambda held: held.rollback("late", **WHO),
    "another shadow": lambda held: held.start_trial("late", 4, **WHO),
    "a canary": lambda held: held.canaries.begin("late", 4, 0.05, **WHO),
    "that grows": lambda held: held.canaries.grow(canary(held), 0.5, **WHO),
    "and takes over": lambda held: held.promote("late", 4, **WHO),
    "by hand": lambda held: held.set_serving_config(ServingConfig("late", 3, 0.25, 1), **WHO),
    "and no more": lambda held: held.set_serving_config(ServingConfig("late"), **WHO),
    "nobody serves": lambda held: held.retire("late", 4, **WHO),
}


def test_versions_and_routing_are_those_of_the_registry(database: Client, registry: Registry) -> None:
    seen = set()
    for step, change in STEPS.items():
        change(registry)
        publish(database, registry)
        champion, routed = registry.champion("late"), registry.serving_config("late")
        (found,) = rows(
            database,
            "SELECT model_name, challenger_version, challenger_share, shadow_model_version, canary, "
            "champion_version, changed_by, changed_why FROM model_serving",
        )
        seen.add(found)
        assert ServingConfig(*found[:5]) == routed, step
        assert found[5:] == (champion and champion.version, "ann", "a test"), step
        assert rows(
            database, "SELECT version, status, experiment_id FROM model_versions ORDER BY version"
        ) == [(v.version, v.status, v.experiment_id) for v in registry.versions("late")], step
    assert len(seen) >= 9  # the steps move it


def test_a_change_by_hand_is_an_event_once(registry: Registry) -> None:
    STEPS["registered"](registry)
    for _ in range(2):
        registry.set_serving_config(ServingConfig("late", 2, 0.25), by="bob", why="a look")
    last = registry.history.events("late")[-1]
    assert (last.kind, last.version, last.by, last.why) == ("routed", 2, "bob", "a look")
    assert (last.challenger_version, last.challenger_share, last.canary) == (2, 0.25, False)
    assert [e.kind for e in registry.history.events("late")].count("routed") == 1


def test_a_version_has_the_training_that_made_it_though_others_gave_its_bytes(
    database: Client, registry: Registry
) -> None:
    STEPS["registered"](registry)
    made = [registry.experiments.get(version.experiment_id) for version in registry.versions("late")]
    for experiment in made:
        sink(database, records(registry, experiment.experiment_id))
    publish(database, registry)
    found = rows(
        database,
        "SELECT experiment_id, toUnixTimestamp64Milli(trained_at), artifact_uri FROM model_versions "
        "ORDER BY version",
    )
    assert found == [(one.experiment_id, one.trained_at, one.artifact_path) for one in made]
    assert len({path for *_, path in found}) == 1


def test_policies_are_there_with_all_that_they_state(database: Client) -> None:
    drift: dict[str, Any] = {"policy": "drift_policy", "model_name": "late", "method": "psi"}
    groups = [drift | {"group_name": name, "group_version": 1} for name in ("", "trips")]
    watched: dict[str, Any] = {"policy": "monitoring_policy", "model_name": "late", "threshold": 0.1}
    record_policies(database, [*groups, *(watched | {"metric": m} for m in ("auc", "brier"))], 1_000)
    judged = {"policy": "evaluation_policy", "model_name": "late", "metric": "auc", "segments": ["a"]}
    record_policies(database, [judged, watched | {"metric": "auc", "threshold": 0.2}], 2_000)
    record_policies(database, [judged | {"metric": "brier"}], 3_000)  # a model has one, whatever it goes by
    record_policies(database, [], 4_000)
    found = rows(database, "SELECT policy, group, metric, settings FROM policies FINAL ORDER BY ALL")
    assert [(*key, json.loads(settings)) for *key, settings in found] == [
        ("drift_policy", "", "", {"method": "psi"}),
        ("drift_policy", "trips", "", {"method": "psi"}),
        ("evaluation_policy", "", "", {"metric": "brier", "segments": ["a"]}),
        ("monitoring_policy", "", "auc", {"metric": "auc", "threshold": 0.2}),
        ("monitoring_policy", "", "brier", {"metric": "brier", "threshold": 0.1}),
    ]
