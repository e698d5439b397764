from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from features.compile import compile_group
from features.compile_model import compile_model
from features.contracts import AppliedContract
from features.cutover import target_of
from inference.registry import ConflictError, Freeze, Registry
from inference.registry.database import Database
from tests.definitions import late, plain, whole
from tests.registered import register

FILLED = replace(plain, defaults={"count_1h": 3})
BUSY = replace(whole, defaults={"busy": True})
PLAN = compile_model(replace(late, features=[FILLED["count_1h"], BUSY["pace"], BUSY["busy"]]))
FEATURE = "plain.count_1h"
WHO = {"by": "ann", "why": "a test"}


@pytest.fixture
def crowned(registry: Registry) -> Registry:
    """A registry with a champion."""
    registry.promote("late", register(registry, PLAN.name, PLAN.to_dict()), **WHO)
    return registry


def steps(registry: Registry) -> list[tuple[str, int, str | None]]:
    found = [e for e in registry.unpublished_events() if e.kind.startswith("feature_")]
    return [(e.kind, e.version, e.evidence) for e in found]


def test_who_froze_what_when_and_why_is_kept(crowned: Registry, url: str) -> None:
    assert crowned.freezes.frozen() == {}
    begun = crowned.history.events("late")[-1].at
    assert crowned.freezes.freeze("late", FEATURE, by="drift", why="it looks broken", alert_id="a1")
    assert crowned.freezes.freeze("late", "whole.busy", by="ann", why="to be sure")
    assert crowned.freezes.frozen() == {"late": {FEATURE, "whole.busy"}}
    assert crowned.freezes.thaw("late", FEATURE, by="bob", why="mended")
    assert crowned.freezes.frozen() == {"late": {"whole.busy"}}
    assert crowned.freezes.freeze("late", FEATURE, by="bob", why="broken again")
    by_drift = ("drift", "it looks broken", "a1", "bob", "mended")
    assert crowned.freezes.history() == [
        Freeze("late", FEATURE, 3, begun + 1, begun + 3, *by_drift),
        Freeze("late", "whole.busy", True, begun + 2, None, "ann", "to be sure", None, None, None),
        Freeze("late", FEATURE, 3, begun + 4, None, "bob", "broken again", None, None, None),
    ]
    database = Database(url)
    for change in ("UPDATE feature_freezes SET why = ''", "DELETE FROM feature_freezes"):
        with pytest.raises(DBAPIError, match="append-only"), database.writing("x") as session:
            session.execute(text(change))
    database.engine.dispose()


def test_what_holds_already_changes_nothing(crowned: Registry) -> None:
    assert not crowned.freezes.thaw("late", FEATURE, **WHO)
    assert crowned.freezes.freeze("late", FEATURE, **WHO, alert_id="a1")
    assert not crowned.freezes.freeze("late", FEATURE, by="bob", why="another", alert_id="a2")
    assert crowned.freezes.thaw("late", FEATURE, **WHO)
    assert not crowned.freezes.thaw("late", FEATURE, **WHO)
    told = '{"feature": "plain.count_1h", "value": 3, "alert_id": "a1"}'
    thawed = told.replace("3", "null")
    assert steps(crowned) == [("feature_frozen", 1, told), ("feature_thawed", 1, thawed)]


def test_of_many_at_once_one_freezes_and_the_others_are_no_error(crowned: Registry, url: str) -> None:
    others = [Registry(url, count(5_000).__next__) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda r: r.freezes.freeze("late", FEATURE, **WHO), others))
    for other in others:
        other.close()
    assert sorted(found) == [False, False, False, True]
    assert len(crowned.freezes.history()) == len(steps(crowned)) == 1


def test_what_cannot_be_frozen_is_refused_and_nothing_is_changed(crowned: Registry) -> None:
    for feature, said in (
        ("whole.pace", r"whole\.v2 states none for 'pace'; nothing was changed"),
        ("plain.delay_mean_1h", r"a model that reads it from a group.*'plain\.delay_mean_1h'; nothing"),
    ):
        with pytest.raises(ConflictError, match=said):
            crowned.freezes.freeze("late", feature, **WHO)
    with pytest.raises(ConflictError, match=r"other: .*it has no champion.*plain\.count_1h"):
        crowned.freezes.freeze("other", FEATURE, **WHO)
    assert (crowned.freezes.history(), steps(crowned)) == ([], [])


def test_the_default_is_that_of_the_version_that_is_read(crowned: Registry) -> None:
    for version, defaults in ((2, {"count_1h": 7}), (3, {})):
        moved = compile_group(replace(plain, version=version, defaults=defaults))
        contract = AppliedContract("plain", version, moved.to_json(), moved.contract_hash, 1_000)
        crowned.cutovers.cut_over(1, target_of(contract), **WHO)
        if defaults:
            assert crowned.freezes.freeze("late", FEATURE, **WHO)
            assert crowned.freezes.history()[-1].value == 7
            assert crowned.freezes.thaw("late", FEATURE, **WHO)
        else:
            with pytest.raises(ConflictError, match=r"plain\.v3 states none"):
                crowned.freezes.freeze("late", FEATURE, **WHO)


def test_a_model_without_a_champion_thaws(crowned: Registry) -> None:
    crowned.freezes.freeze("late", FEATURE, **WHO)
    crowned.retire("late", 1, **WHO)
    assert crowned.freezes.thaw("late", FEATURE, **WHO)
    assert [(kind, version) for kind, version, _ in steps(crowned)] == [
        ("feature_frozen", 1),
        ("feature_thawed", 1),
    ]
