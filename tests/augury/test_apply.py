from dataclasses import fields, replace
from pathlib import Path
from typing import get_args

import pytest

from augury.apply import _policy_row, _topics, apply
from augury.clients import warehouse
from augury.preview import preview
from augury.settings import Settings
from augury.stack import Stack
from features.compile import compile_group
from features.contracts import ChangeKind
from features.definitions import FeatureGroup
from features.errors import DefinitionError
from features.policies import (
    CanaryPolicy,
    DriftPolicy,
    EvaluationPolicy,
    GatePolicy,
    MonitoringPolicy,
    Policy,
)
from features.project import Project
from inference.registry import Registry
from schemas.log import Topic
from schemas.records import TOPICS
from streams.freshness_agent import CHANGELOG
from streams.reporter import REPORTS
from tests.definitions import landed, late, plain, whole
from warehouse.client import migrate
from warehouse.contracts import record

GROUPS = (replace(plain, source=landed(partitions=3)), whole)
PROJECT = Project("tried", (landed(partitions=3),), GROUPS, (late,), ())
POLICIES: dict[str, Policy] = {
    "evaluation_policy": EvaluationPolicy(
        late, alpha=0.01, threshold=0.4, min_units=5, method="e-process", segments=("carrier",)
    ),
    "drift_policy": DriftPolicy(
        whole, late, categorical=("carrier_last",), bins=20, threshold=0.3, retrain=True
    ),
    "monitoring_policy": MonitoringPolicy(late, metric="rmse", window="1d", segments=("carrier",)),
    "gate_policy": GatePolicy(late, min_rows=7),
    "canary_policy": CanaryPolicy(late, steps=(0.1, 0.4), hold="2h"),
}


def topics(settings: Settings) -> dict[str, Topic]:
    found = _topics(PROJECT, settings)
    assert len({topic.name for topic in found}) == len(found)
    return {topic.name: topic for topic in found}


@pytest.fixture
def nowhere(tmp_path: Path) -> Settings:
    """Addresses at which nothing answers."""
    return Settings.with_free_ports(tmp_path)


def test_each_topic_has_its_partitions_and_keeps_its_records_for_ever(nowhere: Settings) -> None:
    found = topics(nowhere.model_copy(update={"partitions": 4}))
    own = {"landed": 3, "features.plain.v1": 3, "features.whole.v2": 3}
    records = dict.fromkeys(TOPICS, 1) | {"prediction.requests": 4, "prediction.batches": 4}
    del records[REPORTS]
    watched = {CHANGELOG.name: found.pop(CHANGELOG.name), REPORTS: found.pop(REPORTS)}
    assert {name: topic.partitions for name, topic in found.items()} == own | records
    assert {topic.config["retention.ms"] for topic in found.values()} == {"-1"}
    assert watched[CHANGELOG.name].config == {"cleanup.policy": "compact"}
    assert watched[REPORTS].config["retention.ms"] == "604800000"  # only how fresh groups were goes away


def test_the_broker_refuses_stamps_from_the_future_in_sources_alone(nowhere: Settings) -> None:
    skewed = {
        name: topic.config["message.timestamp.after.max.ms"]
        for name, topic in topics(nowhere).items()
        if "message.timestamp.after.max.ms" in topic.config
    }
    assert skewed == {"landed": "300000"}


@pytest.mark.parametrize(("replay", "stamped"), [(False, "LogAppendTime"), (True, "CreateTime")])
def test_the_logs_clock_is_the_brokers_unless_history_is_replayed(
    nowhere: Settings, replay: bool, stamped: str
) -> None:
    found = topics(nowhere.model_copy(update={"replay": replay}))
    kinds = {
        name: topic.config["message.timestamp.type"]
        for name, topic in found.items()
        if name not in (REPORTS, CHANGELOG.name)
    }
    rows = {name: kinds.pop(name) for name in ("features.plain.v1", "features.whole.v2")}
    assert set(rows.values()) == {"CreateTime"}  # a row's time is its T, which the job computed
    assert set(kinds.values()) == {stamped}


def test_the_row_of_a_trials_policy_has_what_it_goes_by() -> None:
    row = _policy_row(EvaluationPolicy(replace(late, threshold=0.3), metric="brier"))
    assert (row["method"], row["threshold"]) == ("asymptotic", 0.3)


def test_there_is_a_row_of_every_kind_of_policy(tmp_path: Path) -> None:
    assert {type(policy) for policy in POLICIES.values()} == set(get_args(Policy))
    registry = Registry(f"sqlite:///{tmp_path}/registry.sqlite", lambda: 7)
    registry.migrate()
    registry.policies.save([_policy_row(policy) for policy in POLICIES.values()] * 2)
    for name, policy in POLICIES.items():
        (row,) = registry.policies.of(name)
        plainly = {f.name for f in fields(policy)} - {"model", "group"}
        wanted = {key: list(v) if isinstance(v := getattr(policy, key), tuple) else v for key in plainly}
        assert {key: row.pop(key) for key in plainly} == wanted
        group = {"group_name": "whole", "group_version": 2} if name == "drift_policy" else {}
        assert row == {"model_name": "late", "updated_at": 7, **group}


def broken(group: FeatureGroup) -> Project:
    return replace(PROJECT, groups=(*GROUPS, group))


@pytest.mark.parametrize(
    "project",
    [
        broken(replace(plain, name="other", where="delay >")),
        broken(replace(plain, name="other", source=replace(landed(), event_time="carrier"))),
        replace(PROJECT, sources=(replace(landed(), partitions=0),)),
        replace(PROJECT, models=(replace(late, on_demand={"hour": "nothing + 1"}),)),
    ],
    ids=["group", "source of a group", "source", "model"],
)
def test_a_mistake_is_refused_before_anything_is_asked_or_touched(
    nowhere: Settings, project: Project
) -> None:
    told: list[str] = []
    for run in (lambda: preview(project, nowhere), lambda: apply(project, nowhere, told.append)):
        with pytest.raises(DefinitionError):
            run()
    assert told == []
    with pytest.raises(ConnectionError):
        preview(PROJECT, nowhere)  # what is right goes on to the servers


@pytest.mark.stack
def test_a_changed_contract_is_refused_before_anything_is_touched(tmp_path: Path) -> None:
    settings = Settings.with_free_ports(tmp_path)
    with Stack(settings, parts=("warehouse",)):  # no log, no registry: touching one would fail otherwise
        client = warehouse(settings)
        migrate(client)
        record(client, [compile_group(group) for group in GROUPS], 1_000)
        changed = replace(PROJECT, groups=(replace(GROUPS[0], owner="ops"), whole))
        told: list[str] = []
        with pytest.raises(
            DefinitionError, match=r"(?s)group plain\.v1.*a changed contract is a new version"
        ):
            apply(changed, settings, told.append)
        kinds = [(change.label, change.kind) for change in preview(changed, settings).changes]
        assert kinds == [("plain.v1", ChangeKind.REFUSED), ("whole.v2", ChangeKind.UNCHANGED)]
        assert told == []
        assert not client.query("EXISTS TABLE landed").result_rows[0][0]
        client.close()
