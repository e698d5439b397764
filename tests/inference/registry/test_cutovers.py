from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from features.compile import compile_group
from features.compile_model import compile_model
from features.contracts import AppliedContract
from features.cutover import target_of
from features.vector import VectorGroup
from inference.registry import ConflictError, Registry, ServingConfig, tables
from inference.registry.database import Database
from tests.definitions import late, plain, whole
from tests.registered import register

PLAN = compile_model(late)  # reads count_1h of plain.v1
OTHER = replace(PLAN, name="other", groups=PLAN.groups[1:])  # reads whole.v2 alone
WHO = {"by": "ann", "why": "a test"}


def target(version: int, **change: Any) -> VectorGroup:
    plan = compile_group(replace(plain, version=version, **change))
    return target_of(AppliedContract(plan.name, plan.version, plan.to_json(), plan.contract_hash, 1_000))


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/registry.db"


def moved(registry: Registry) -> list[tuple[str, str, int]]:
    events = [e for e in registry.unpublished_events() if e.kind.startswith("features_")]
    return [(e.kind, e.model_name, e.version) for e in events]


def test_a_cut_over_holds_until_it_is_rolled_back(registry: Registry) -> None:
    assert registry.cutovers.routes() == {}
    registry.cutovers.cut_over(1, target(2), **WHO)
    registry.cutovers.cut_over(1, target(3), **WHO)
    registry.cutovers.cut_over(2, target(3), **WHO)
    assert registry.cutovers.routes() == {("plain", 1): target(3), ("plain", 2): target(3)}

    back = [registry.cutovers.roll_back("plain", by="bob", why="worse") for _ in range(2)]
    assert [(step.version, step.target) for step in back] == [(2, None), (1, target(2))]
    assert registry.cutovers.routes() == {("plain", 1): target(2)}
    assert registry.cutovers.roll_back("plain", **WHO).target is None
    assert registry.cutovers.routes() == {}
    with pytest.raises(ConflictError, match="a rollback needs a cut-over that holds"):
        registry.cutovers.roll_back("plain", **WHO)
    registry.cutovers.cut_over(1, target(2), **WHO)
    assert registry.cutovers.routes() == {("plain", 1): target(2)}


def test_the_defaults_of_a_target_are_kept_and_of_one_from_before_there_were_any_none(
    registry: Registry, url: str
) -> None:
    filled = target(2, defaults={"delay_mean_1h": 0.5, "count_1h": 2**53 + 1})
    registry.cutovers.cut_over(1, filled, **WHO)
    assert registry.cutovers.routes() == {("plain", 1): filled}
    assert hash(registry.cutovers.routes()["plain", 1]) == hash(filled)
    former = asdict(target(3))
    del former["defaults"]
    step = {"group_name": "plain", "version": 1, "kind": "features_cut_over", "reads": 3, "at": 2_000}
    database = Database(url)
    with database.writing("feature_cutovers") as session:
        session.add(tables.FeatureCutover(**step, target=former, **WHO))
    database.engine.dispose()
    assert registry.cutovers.routes() == {("plain", 1): target(3)}


def test_who_when_and_why_are_kept(registry: Registry, url: str) -> None:
    registry.cutovers.cut_over(1, target(2), by="ann", why="fewer gaps")
    registry.cutovers.roll_back("plain", by="bob", why="slower")
    assert [(s.kind, s.version, s.by, s.why, s.at) for s in registry.cutovers.history("plain")] == [
        ("features_cut_over", 1, "ann", "fewer gaps", 1_000),
        ("features_rolled_back", 1, "bob", "slower", 1_001),
    ]
    assert registry.cutovers.history("whole") == []
    database = Database(url)
    for change in ("UPDATE feature_cutovers SET why = ''", "DELETE FROM feature_cutovers"):
        with pytest.raises(DBAPIError, match="append-only"), database.writing("x") as session:
            session.execute(text(change))
    database.engine.dispose()


def test_a_rollback_of_one_group_leaves_the_others(registry: Registry) -> None:
    registry.cutovers.cut_over(1, target(2), **WHO)
    other = replace(target(2), group="other")
    registry.cutovers.cut_over(1, other, **WHO)
    registry.cutovers.roll_back("plain", **WHO)
    assert registry.cutovers.routes() == {("other", 1): other}


def test_the_models_that_serve_and_read_the_group_get_an_event_each(registry: Registry) -> None:
    for _ in range(4):
        register(registry, PLAN.name, PLAN.to_dict())
    register(registry, OTHER.name, OTHER.to_dict())
    registry.promote("late", 1, **WHO)
    registry.promote("other", 1, **WHO)
    registry.set_serving_config(ServingConfig("late", 2, 0.5, 3), by="ann", why="by hand")
    registry.cutovers.cut_over(1, target(2), **WHO)
    assert moved(registry) == [("features_cut_over", "late", version) for version in (1, 2, 3)]
    registry.cutovers.cut_over(1, target(2), **WHO)  # holds already
    assert len(moved(registry)) == 3
    registry.cutovers.roll_back("plain", **WHO)
    assert moved(registry)[3:] == [("features_rolled_back", "late", version) for version in (1, 2, 3)]


def test_a_version_that_lacks_what_a_model_reads_is_refused(registry: Registry) -> None:
    version = register(registry, PLAN.name, PLAN.to_dict())
    lacking = target(2, aggregates=plain.aggregates[1:])
    with pytest.raises(
        ConflictError, match=rf"version {version}: .*late reads count_1h .*nothing was changed"
    ):
        registry.cutovers.cut_over(1, lacking, **WHO)
    assert registry.cutovers.history("plain") == []
    registry.reject("late", version, **WHO)  # it will never serve
    registry.cutovers.cut_over(1, lacking, **WHO)
    assert registry.cutovers.routes() == {("plain", 1): lacking}


def test_other_groups_of_a_signature_do_not_matter(registry: Registry) -> None:
    register(registry, OTHER.name, OTHER.to_dict())
    registry.cutovers.cut_over(1, target(2, aggregates=plain.aggregates[1:]), **WHO)
    assert whole.name == OTHER.groups[0].group
    assert ("plain", 1) in registry.cutovers.routes()
