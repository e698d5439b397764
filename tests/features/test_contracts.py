from dataclasses import replace

import pytest

from features.aggregates import count
from features.compile import compile_group
from features.contracts import AppliedContract, Change, ChangeKind, changes, refuse_changed
from features.definitions import Freshness
from features.effects import Difference, Effect
from features.errors import DefinitionError
from features.plan import GroupPlan
from tests.definitions import lifetime, plain, whole

PLAIN, WHOLE, LIFETIME = (compile_group(group) for group in (plain, whole, lifetime))


def standing(plan: GroupPlan) -> AppliedContract:
    return AppliedContract(plan.name, plan.version, plan.to_json(), plan.contract_hash, 1_000)


def test_what_applying_would_do() -> None:
    raised = compile_group(replace(plain, version=2, meaning="Another"))
    found = changes([WHOLE, raised, LIFETIME], [standing(WHOLE), standing(PLAIN)])
    meaning = Difference(Effect.DESCRIPTION, "meaning", "none -> Another")
    assert found == [
        Change("whole.v2", ChangeKind.UNCHANGED),
        Change("plain.v2", ChangeKind.CREATE, against="plain.v1", differences=(meaning,)),
        Change("lifetime.v1", ChangeKind.CREATE),
        Change("plain.v1", ChangeKind.ABSENT),
    ]
    assert [change.effect for change in found] == [None, Effect.DESCRIPTION, None, None]
    refuse_changed(found)


def test_a_new_version_is_compared_with_the_newest_that_was_applied() -> None:
    versions = [compile_group(replace(plain, version=v, owner=f"team {v}")) for v in (2, 10, 11)]
    (found, *_) = changes(versions[2:], [standing(versions[1]), standing(versions[0])])
    assert (found.kind, found.against) == (ChangeKind.CREATE, "plain.v10")
    assert [d.text for d in found.differences] == ["team 10 -> team 11"]


def test_a_group_without_a_version_in_the_project_is_removed() -> None:
    (found,) = changes([], [standing(PLAIN)])
    assert (found.kind, found.effect, found.against) == (ChangeKind.ABSENT, Effect.REMOVAL, "plain.v1")
    refuse_changed([found])  # it goes on as it is


def test_a_description_alone_is_refused_with_what_that_means() -> None:
    (found,) = changes([compile_group(replace(plain, owner="ops"))], [standing(PLAIN)])
    assert (found.kind, found.effect) == (ChangeKind.REFUSED, Effect.DESCRIPTION)
    with pytest.raises(DefinitionError, match="its values stay as they were"):
        refuse_changed([found])


def test_other_defaults_are_refused_with_what_that_means() -> None:
    filled = compile_group(replace(plain, defaults={"delay_mean_1h": 0, "count_1h": 3}))
    (found,) = changes([filled], [standing(PLAIN)])
    assert (found.kind, found.effect) == (ChangeKind.REFUSED, Effect.DEFAULTS)
    with pytest.raises(DefinitionError, match="its rows stay as they were, but vectors without a fresh row"):
        refuse_changed([found])
    more = replace(plain, aggregates=[*plain.aggregates, count(name="more")], defaults={"count_1h": 3})
    with pytest.raises(DefinitionError, match="rows of two meanings would share one name"):
        refuse_changed(changes([compile_group(more)], [standing(PLAIN)]))
    (found, _) = changes([replace(filled, version=2)], [standing(PLAIN)])
    assert (found.kind, found.effect) == (ChangeKind.CREATE, Effect.DEFAULTS)
    assert standing(filled).defaults == (("count_1h", 3), ("delay_mean_1h", 0.0))


@pytest.mark.parametrize(
    ("changed", "removed", "added"),
    [
        (replace(plain, owner="ops"), '-  "owner": "",', '+  "owner": "ops",'),
        (replace(plain, where="seats > 2"), '-  "where": null,', '+  "where": "(seats > 2)",'),
        (
            replace(plain, freshness=Freshness(expected_max_lag="5m")),
            '-    "expected_max_lag_ms": 600000,',
            '+    "expected_max_lag_ms": 300000,',
        ),
        (replace(plain, aggregates=plain.aggregates[:1]), '-      "name": "delay_mean_1h",', None),
    ],
)
def test_another_contract_under_the_same_version_is_refused_with_the_difference(
    changed: object, removed: str, added: str | None
) -> None:
    assert isinstance(changed, type(plain))
    (found,) = changes([compile_group(changed)], [standing(PLAIN)])
    assert (found.label, found.kind) == ("plain.v1", ChangeKind.REFUSED)
    lines = found.difference.splitlines()
    assert lines[:2] == ["--- applied", "+++ project"]
    assert removed in lines
    assert added is None or added in lines
    with pytest.raises(
        DefinitionError, match=r"(?s)group plain\.v1.*raise the version.*--- applied"
    ) as error:
        refuse_changed([Change("whole.v2", ChangeKind.UNCHANGED), found])
    assert removed in str(error.value)


def test_the_same_definition_stated_otherwise_is_unchanged() -> None:
    spaced = replace(whole, where="NOT diverted   OR (delay > 0.5)")
    assert [c.kind for c in changes([compile_group(spaced)], [standing(WHOLE)])] == [ChangeKind.UNCHANGED]
