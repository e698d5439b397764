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


STEPS: dict[str, Callable[[Registry, dict[str, str]], Any]] = {
    "registered": lambda held, _: [register(held) for _ in range(4)],
    "the first champion": lambda held, who: held.promote("late", 1, **who),
    "a shadow": lambda held, who: held.start_trial("late", 2, **who),
    "another registered": lambda held, _: register(held),
    "turned down in staging": lambda held, who: held.reject("late", 5, **who),
    "rejected": lambda held, who: held.reject("late", 2, **who),
    "a split trial": lambda held, who: held.start_trial("late", 3, share=0.1, **who),
    "promoted": lambda held, who: held.promote("late", 3, **who),
    "taken back": lambda held, who: held.rollback("late", **who),
    "another shadow": lambda held, who: held.start_trial("late", 4, **who),
    "a canary": lambda held, who: held.canaries.begin("late", 4, 0.05, **who),
    "that grows": lambda held, who: held.canaries.grow(canary(held), 0.5, **who),
    "and takes over": lambda held, who: held.promote("late", 4, **who),
    "by hand": lambda held, who: held.set_serving_config(ServingConfig("late", 3, 0.25, 1), **who),
    "and no more": lambda held, who: held.set_serving_config(ServingConfig("late"), **who),
    "nobody serves": lambda held, who: held.retire("late", 4, **who),
}


def test_versions_and_routing_are_those_of_the_registry(database: Client, registry: Registry) -> None:
    seen: list[Any] = [None]
    moved: Any = None
    for step, change in STEPS.items():
        change(registry, {"by": "ann", "why": step})
        publish(database, registry)
        champion, routed = registry.champion("late"), registry.serving_config("late")
        (found,) = rows(
            database,
            "SELECT model_name, challenger_version, challenger_share, shadow_model_version, canary, "
            "champion_version, kind, changed_why, toUnixTimestamp64Milli(changed_at) FROM model_serving",
        )
        assert (ServingConfig(*found[:5]), found[5]) == (routed, champion and champion.version), step
        if found[:6] != seen[-1]:
            seen.append(found[:6])
            last = registry.history.events("late")[0 if moved is None else -1]
            moved = (last.kind, last.why, last.at)
        assert found[6:] == moved, step
        versions = "SELECT version, status, experiment_id FROM model_versions ORDER BY version"
        assert rows(database, versions) == [
            (v.version, v.status, v.experiment_id) for v in registry.versions("late")
        ], step
    assert len(seen) == 1 + len(STEPS) - 2  # two of them move nothing


def test_a_change_by_hand_is_an_event_once(registry: Registry) -> None:
    STEPS["registered"](registry, WHO)
    for _ in range(2):
        registry.set_serving_config(ServingConfig("late", 2, 0.25), by="bob", why="a look")
    last = registry.history.events("late")[-1]
    assert (last.kind, last.version, last.by, last.why) == ("routed", 2, "bob", "a look")
    assert (last.challenger_version, last.challenger_share, last.canary) == (2, 0.25, False)
    assert [e.kind for e in registry.history.events("late")].count("routed") == 1
    for config, version in (
        (ServingConfig("late", 2, 0.25, 3), 3),
        (ServingConfig("late", 4, 0.1, 3), 4),
        (ServingConfig("late", 4, 0.2, 3), 4),
        (ServingConfig("late", None, 0.0, 3), 4),
        (ServingConfig("late"), 3),
    ):
        registry.set_serving_config(config, **WHO)
        assert registry.history.events("late")[-1].version == version
    with pytest.raises(ValueError, match="a canary begins by"):
        registry.set_serving_config(ServingConfig("late", 2, 0.5, canary=True), **WHO)


def test_a_version_has_the_training_that_made_it_though_others_gave_its_bytes(
    database: Client, registry: Registry
) -> None:
    STEPS["registered"](registry, WHO)
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


def test_a_version_of_before_events_named_its_experiment_has_the_first_that_gave_its_bytes(
    database: Client, registry: Registry
) -> None:
    STEPS["registered"](registry, WHO)
    for version in registry.versions("late"):
        sink(database, records(registry, version.experiment_id))
    events = [asdict(event) | {"experiment_id": None} for event in registry.unpublished_events()]
    sink(database, {"registry.events": events})
    experiments = {version.experiment_id for version in registry.versions("late")}
    database.command("ALTER TABLE experiments UPDATE model_name = 'late' WHERE 1 SETTINGS mutations_sync = 1")
    found = {name for (name,) in rows(database, "SELECT experiment_id FROM model_versions")}
    assert len(found) == 1
    assert found < experiments
