import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from inference.registry import (
    ConflictError,
    ExperimentKind,
    ModelStatus,
    ModelVersion,
    Registry,
    ServingConfig,
    TrainingConfig,
    Trial,
    TrialState,
)
from inference.registry.database import Database
from inference.registry.records import UnknownModelError
from inference.registry.tables import Base


def experiment(registry: Registry, **change: Any) -> str:
    fields: dict[str, Any] = {
        "model_type": "lightgbm",
        "hyperparameters": {"leaves": 31},
        "training_dataset_version": "late.1",
        "feature_group_versions": {"carrier": 1},
        "evaluation_metrics": {"auc": 0.7},
        "artifact_path": "file:///a",
        "code_version": "c0ffee",
        "environment": {"python": "3.11"},
        "seed": 7,
    }
    return registry.experiments.record(**{**fields, **change})


def register(registry: Registry, name: str = "late") -> ModelVersion:
    return registry.register(
        name,
        artifact_uri="file:///a",
        sha256="ab" * 32,
        framework="lightgbm",
        serving_flavour="onnx",
        signature={"names": ["x"]},
        experiment_id=experiment(registry),
        by="ann",
        why="a test",
    )


def kinds(registry: Registry) -> list[tuple[str, int]]:
    return [(event.kind, event.version) for event in registry.unpublished_events()]


WHO = {"by": "ann", "why": "a test"}


def test_the_migration_makes_the_tables_of_the_code(registry: Registry, url: str) -> None:
    registry.migrate()
    database = Database(url)
    with database.engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection), Base.metadata)
        lite = url.startswith("sqlite")
        mode = connection.execute(text("PRAGMA journal_mode")).scalar() if lite else "wal"
    database.engine.dispose()
    assert found == []
    assert mode == "wal"


def test_versions_count_up_and_start_in_staging(registry: Registry) -> None:
    assert [register(registry).version, register(registry).version, register(registry, "b").version] == [
        1,
        2,
        1,
    ]
    assert registry.models() == ["b", "late"]
    assert [v.status for v in registry.versions("late")] == [ModelStatus.STAGING] * 2
    assert registry.get("late", 2).signature == {"names": ["x"]}
    assert registry.champion("late") is None
    with pytest.raises(
        UnknownModelError, match="late: there is no version 3; it has 1 to 2, so nothing was done"
    ):
        registry.get("late", 3)


def test_an_experiment_is_recorded_and_registered_once(registry: Registry) -> None:
    assert experiment(registry, experiment_id="alert-1") == "alert-1"
    assert experiment(registry, experiment_id="alert-1", seed=8) == "alert-1"
    fields: dict[str, Any] = {
        "framework": "lightgbm",
        "serving_flavour": "onnx",
        "signature": {},
        "experiment_id": "alert-1",
        **WHO,
    }
    first = registry.register("late", artifact_uri="a", sha256="1", **fields)
    assert registry.register("late", artifact_uri="b", sha256="2", **fields) == first
    assert kinds(registry) == [("registered", 1)]


def test_an_experiment_is_given_back_with_its_recipe(registry: Registry) -> None:
    first = experiment(registry, model_name="late", recipe={"trainer": "linear"}, training_dataset_hash="ab")
    second = experiment(registry, model_name="late", parent_experiment_id=first)
    found = registry.experiments.get(first)
    assert (found.model_name, found.recipe) == ("late", {"trainer": "linear"})
    assert (found.training_dataset_version, found.training_dataset_hash) == ("late.1", "ab")
    assert found.evaluation_metrics == {"auc": 0.7}
    assert registry.experiments.get(second).parent_experiment_id == first
    with pytest.raises(LookupError, match="nothing is known of 'none'"):
        registry.experiments.get("none")


def test_experiments_are_found_by_model_kind_and_parent(registry: Registry) -> None:
    first = experiment(registry, model_name="late")
    study = experiment(registry, model_name="late", kind=ExperimentKind.TUNING)
    other = experiment(registry, model_name="early")
    again = experiment(registry, model_name="early", kind=ExperimentKind.RERUN, parent_experiment_id=other)

    def found(**stated: Any) -> list[str]:
        return [e.experiment_id for e in registry.experiments.all(**stated)]

    assert found() == [first, study, other, again]
    assert found(model_name="late") == [first, study]
    assert found(model_name="late", kind=ExperimentKind.TUNING) == [study]
    assert found(parent=other) == [again]
    assert registry.experiments.get(again).kind is ExperimentKind.RERUN
    assert registry.experiments.find("none") is None


def test_trials_are_numbered_as_they_end_and_no_more_than_the_budget_allows(registry: Registry) -> None:
    study = experiment(registry, kind=ExperimentKind.TUNING)
    trials = [
        Trial({"leaves": 7}, TrialState.COMPLETE, (0.5, 0.7), 0.6),
        Trial({"leaves": 9}, TrialState.PRUNED, (0.9,)),
        Trial({"leaves": 3}, TrialState.FAILED, reason="ValueError: three"),
    ]
    assert [registry.experiments.record_trial(study, trial, 3) for trial in trials] == [0, 1, 2]
    assert registry.experiments.record_trial(study, trials[0], 3) is None
    assert registry.experiments.trials(study) == trials


def test_a_budget_holds_for_all_that_end_trials_at_once(registry: Registry) -> None:
    study = experiment(registry, kind=ExperimentKind.TUNING)
    trial = Trial({}, TrialState.COMPLETE, (1.0,), 1.0)
    numbers: list[int | None] = []

    def work() -> None:
        numbers.extend(registry.experiments.record_trial(study, trial, 10) for _ in range(4))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(n for n in numbers if n is not None) == list(range(10))
    assert len(registry.experiments.trials(study)) == 10


@pytest.mark.parametrize("table", ["experiments", "experiment_trials", "model_registry_events"])
@pytest.mark.parametrize("change", ["UPDATE {} SET trained_at = 0", "DELETE FROM {}"])
def test_experiments_and_events_cannot_be_changed(
    registry: Registry, url: str, table: str, change: str
) -> None:
    register(registry)
    study = experiment(registry, kind=ExperimentKind.TUNING)
    registry.experiments.record_trial(study, Trial({}, TrialState.FAILED), 1)
    column = {"experiments": "trained_at", "experiment_trials": "ended_at"}.get(table, "at")
    database = Database(url)
    with pytest.raises(DBAPIError, match="append-only"), database.engine.begin() as connection:
        connection.execute(text(change.format(table).replace("trained_at", f'"{column}"')))
    database.engine.dispose()


@pytest.mark.parametrize("table", ["experiments", "experiment_trials", "model_registry_events"])
def test_experiments_and_events_cannot_be_replaced(registry: Registry, url: str, table: str) -> None:
    register(registry)
    study = experiment(registry, kind=ExperimentKind.TUNING)
    registry.experiments.record_trial(study, Trial({}, TrialState.FAILED), 1)
    database = Database(url)
    replaced = f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}"
    upsert = f"INSERT INTO {table} SELECT * FROM {table} ON CONFLICT DO NOTHING"  # harmless where it can be
    sqlite = database.engine.dialect.name == "sqlite"
    with database.engine.connect() as connection:
        before = connection.execute(text(f"SELECT * FROM {table}")).all()
        if sqlite:
            with pytest.raises(DBAPIError, match="append-only"):
                connection.execute(text(replaced))
        else:
            connection.execute(text(upsert))
        assert connection.execute(text(f"SELECT * FROM {table}")).all() == before
    database.engine.dispose()


def test_a_trial_and_a_promotion(registry: Registry) -> None:
    register(registry)
    registry.promote("late", 1, **WHO)
    register(registry)
    with pytest.raises(ConflictError, match="needs a \\(new\\) trial"):
        registry.promote("late", 2, **WHO)
    registry.start_trial("late", 2, **WHO)
    registry.start_trial("late", 2, **WHO)
    assert registry.serving_config("late").shadow_model_version == 2
    registry.set_serving_config(ServingConfig("late", 2, 0.25, 2), by="ann", why="by hand")
    registry.promote("late", 2, **WHO)
    registry.promote("late", 2, **WHO)
    assert [v.status for v in registry.versions("late")] == [ModelStatus.RETIRED, ModelStatus.CHAMPION]
    assert registry.serving_config("late") == ServingConfig("late")
    assert kinds(registry) == [
        ("registered", 1),
        ("promoted", 1),
        ("registered", 2),
        ("trial_started", 2),
        ("routed", 2),
        ("retired", 1),
        ("promoted", 2),
    ]


def test_one_trial_at_a_time(registry: Registry) -> None:
    for _ in range(3):
        register(registry)
    registry.promote("late", 1, **WHO)
    registry.start_trial("late", 2, **WHO)
    with pytest.raises(ConflictError, match="version 3 cannot start while version 2 is on trial"):
        registry.start_trial("late", 3, **WHO)
    registry.reject("late", 2, **WHO)
    registry.reject("late", 2, **WHO)
    registry.start_trial("late", 3, **WHO)
    assert registry.serving_config("late").shadow_model_version == 3
    with pytest.raises(ConflictError, match="version 2 is rejected"):
        registry.promote("late", 2, **WHO)
    with pytest.raises(ConflictError, match="version 1 is champion"):
        registry.reject("late", 1, **WHO)


def test_a_trial_by_split_traffic_is_the_only_one_and_leaves_with_its_challenger(registry: Registry) -> None:
    for _ in range(3):
        register(registry)
    registry.promote("late", 1, **WHO)
    with pytest.raises(ValueError, match=r"above 0 and at most 1.*with 0\.0"):
        registry.start_trial("late", 2, share=0.0, **WHO)
    for _ in range(2):
        registry.start_trial("late", 2, share=0.1, **WHO)
    assert registry.serving_config("late") == ServingConfig("late", 2, 0.1, None)
    assert registry.serving_config("late").on_trial == 2
    with pytest.raises(ConflictError, match="version 3 cannot start while version 2 is on trial"):
        registry.start_trial("late", 3, **WHO)
    registry.start_trial("late", 2, **WHO)  # anew, in shadow
    assert registry.serving_config("late") == ServingConfig("late", None, 0.0, 2)
    registry.start_trial("late", 2, share=0.2, **WHO)
    registry.reject("late", 2, **WHO)
    assert registry.serving_config("late") == ServingConfig("late")
    assert kinds(registry)[-4:] == [("trial_started", 2)] * 3 + [("rejected", 2)]


def test_a_rollback_of_a_version_that_is_champion_no_more_changes_nothing(registry: Registry) -> None:
    for _ in range(2):
        register(registry)
    registry.promote("late", 1, **WHO)
    registry.start_trial("late", 2, **WHO)
    registry.promote("late", 2, **WHO)
    assert registry.rollback("late", of=2, **WHO).version == 1
    with pytest.raises(ConflictError, match="version 2 is rolled back while it is champion; version 1 is"):
        registry.rollback("late", of=2, **WHO)
    champion = registry.champion("late")
    assert champion is not None
    assert champion.version == 1


def test_a_rollback_brings_the_previous_champion_back(registry: Registry) -> None:
    register(registry)
    registry.promote("late", 1, **WHO)
    with pytest.raises(ConflictError, match="needs a champion that replaced another"):
        registry.rollback("late", **WHO)
    for version in (2, 3):
        register(registry)
        registry.start_trial("late", version, **WHO)
        registry.promote("late", version, **WHO)
    register(registry)
    registry.start_trial("late", 4, **WHO)
    assert registry.rollback("late", **WHO).version == 2
    assert kinds(registry)[-2:] == [("retired", 3), ("rolled_back", 2)]
    with pytest.raises(ConflictError, match="judged against version 3, but the champion is 2"):
        registry.promote("late", 4, **WHO)
    assert registry.rollback("late", **WHO).version == 1


def test_a_version_is_retired_unless_it_was_rejected(registry: Registry) -> None:
    for _ in range(3):
        register(registry)
    registry.promote("late", 1, **WHO)
    registry.start_trial("late", 2, **WHO)
    registry.retire("late", 2, **WHO)
    registry.retire("late", 2, **WHO)
    assert registry.serving_config("late").shadow_model_version is None
    registry.reject("late", 3, **WHO)
    with pytest.raises(ConflictError, match="version 3 is rejected"):
        registry.retire("late", 3, **WHO)
    assert kinds(registry)[-3:] == [("trial_started", 2), ("retired", 2), ("rejected", 3)]


def test_a_champion_that_is_retired_leaves_none_until_it_is_brought_back(registry: Registry) -> None:
    register(registry)
    register(registry)
    registry.promote("late", 1, **WHO)
    registry.start_trial("late", 2, **WHO)
    registry.retire("late", 1, **WHO)
    assert registry.champion("late") is None
    assert registry.serving_config("late") == ServingConfig("late")
    with pytest.raises(ConflictError, match="judged against version 1, but the champion is None"):
        registry.promote("late", 2, **WHO)
    assert registry.rollback("late", **WHO).version == 1
    registry.promote("late", 2, **WHO)


def test_who_was_champion_when_and_why(registry: Registry) -> None:
    register(registry)
    registry.promote("late", 1, by="ann", why="the first")
    register(registry)
    registry.start_trial("late", 2, **WHO)
    registry.promote("late", 2, by="evaluation", why="20 of 20", evidence={"wins": 20, "e_value": 1e4})
    registry.rollback("late", by="bob", why="it was slow")
    register(registry)
    registry.retire("late", 3, **WHO)
    register(registry, "other")
    registry.promote("other", 1, **WHO)
    registry.retire("late", 1, by="ann", why="no longer asked")

    first, second, third = registry.history.champions("late")
    assert [(r.version, r.kind, r.by, r.why) for r in (first, second, third)] == [
        (1, "promoted", "ann", "the first"),
        (2, "promoted", "evaluation", "20 of 20"),
        (1, "rolled_back", "bob", "it was slow"),
    ]
    assert (first.evidence, second.evidence) == (None, {"wins": 20, "e_value": 1e4})
    assert [r.ended_why for r in (first, second, third)] == [
        "version 2 was promoted: 20 of 20",
        "rolled back to version 1: it was slow",
        "no longer asked",
    ]
    assert first.valid_from < second.valid_from < third.valid_from
    assert (first.valid_to, second.valid_to) == (second.valid_from, third.valid_from)
    assert third.valid_to is not None
    (other,) = registry.history.champions("other")
    assert other.valid_to is None


def test_history_is_in_order_of_time_whatever_the_clock_does(registry: Registry, url: str) -> None:
    register(registry)
    late = Registry(url, lambda: 3)
    late.promote("late", 1, **WHO)
    late.close()
    registered, promoted = registry.history.events("late")
    assert promoted.position > registered.position
    assert promoted.at == registered.at > 3


def test_a_version_knows_the_data_and_the_code_that_it_comes_from(registry: Registry) -> None:
    register(registry)
    found = registry.history.lineage("late", 1)
    assert found.training_dataset_version == "late.1"
    assert found.feature_group_versions == {"carrier": 1}
    assert (found.code_version, found.environment, found.seed) == ("c0ffee", {"python": "3.11"}, 7)
    assert found.experiment_id == registry.get("late", 1).experiment_id
    with pytest.raises(UnknownModelError, match="version 2"):
        registry.history.lineage("late", 2)


def at_once(*calls: Callable[[], object]) -> list[BaseException | None]:
    gate, outcomes = threading.Barrier(len(calls)), [None] * len(calls)
    results: list[BaseException | None] = list(outcomes)

    def run(place: int, call: Callable[[], object]) -> None:
        gate.wait()
        try:
            call()
        except ConflictError as error:
            results[place] = error

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_of_two_promotions_at_once_one_wins(registry: Registry, url: str) -> None:
    other = Registry(url, lambda: 5)
    for name in (f"m{n}" for n in range(10)):
        register(registry, name)
        register(registry, name)
        outcomes = at_once(
            lambda name=name: registry.promote(name, 1, **WHO),
            lambda name=name: other.promote(name, 2, **WHO),
        )
        assert sorted(o is None for o in outcomes) == [False, True]
        champion = registry.champion(name)
        assert champion is not None
        assert champion.version == outcomes.index(None) + 1
        (lost,) = (o for o in outcomes if o is not None)
        assert f"judged against no champion, but the champion is {champion.version}" in str(lost)
        assert len(registry.history.champions(name)) == 1
    other.close()


PROMOTE = """
import sys
from inference.registry import ConflictError, Registry
url, version = sys.argv[1:]
registry = Registry(url, lambda: 7)
registry.champion("late")  # connected, and all is imported
print("ready", flush=True)
sys.stdin.readline()
try:
    registry.promote("late", int(version), by=f"process {version}", why="it raced")
except ConflictError as error:
    print(error, flush=True)
else:
    print("won", flush=True)
registry.close()
"""


def test_of_promotions_by_processes_at_once_one_wins(registry: Registry, url: str) -> None:
    processes = []
    for version in range(1, 5):
        register(registry)
        command = [sys.executable, "-c", PROMOTE, url, str(version)]
        processes.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    said = [process.communicate()[0].strip() for process in processes]
    assert sorted(word == "won" for word in said) == [False, False, False, True]
    winner = said.index("won") + 1
    champion = registry.champion("late")
    assert champion is not None
    assert champion.version == winner
    for word in said[: winner - 1] + said[winner:]:
        assert f"the champion is {winner}, so it needs a (new) trial" in word
    assert [kind for kind, _ in kinds(registry)].count("promoted") == 1


def test_writers_at_once_all_get_their_version(registry: Registry) -> None:
    assert at_once(*[lambda: register(registry)] * 8) == [None] * 8
    assert [v.version for v in registry.versions("late")] == list(range(1, 9))


def test_serving_config_is_checked(registry: Registry) -> None:
    register(registry)
    with pytest.raises(ValueError, match="between 0 and 1"):
        registry.set_serving_config(ServingConfig("late", 1, 1.5), by="ann", why="by hand")
    with pytest.raises(ValueError, match=r"a share is a challenger's; nobody would answer 0\.5"):
        registry.set_serving_config(ServingConfig("late", None, 0.5), by="ann", why="by hand")
    with pytest.raises(UnknownModelError):
        registry.set_serving_config(ServingConfig("late", 9, 0.5), by="ann", why="by hand")


def test_training_config_and_policies_are_replaced(registry: Registry) -> None:
    assert registry.training_config("late") is None
    registry.set_training_config("late", {"leaves": 7}, {"experiment": "e"})
    registry.set_training_config("late", {"leaves": 9}, {"experiment": "f"})
    assert registry.training_config("late") == TrainingConfig({"leaves": 9}, {"experiment": "f"})
    row = {"policy": "monitoring_policy", "model_name": "late", "metric": "auc", "window": "7d"}
    row |= {"every": "1d", "k": 0.1, "segments": ["carrier"], "gap": None, "alpha": 0.05, "min_units": 200}
    row |= {"false_alarms_per_month": 0.5, "on_harm": "tell", "on_estimated": "tell", "actions_per_day": 1}
    registry.policies.save([{**row, "threshold": 0.1}])
    registry.policies.save([{**row, "threshold": 0.2}])
    (found,) = registry.policies.of("monitoring_policy")
    assert found["threshold"] == 0.2


def test_the_outbox_gives_each_event_until_it_is_marked(registry: Registry) -> None:
    for _ in range(3):
        register(registry)
    first = registry.unpublished_events(limit=1)
    assert [e.version for e in first] == [1]
    registry.mark_published([e.event_id for e in first])
    registry.mark_published([e.event_id for e in first])
    assert kinds(registry) == [("registered", 2), ("registered", 3)]
