from dataclasses import replace

import pytest

from features.catalogue import Entry, Standing, catalogue
from features.compile import compile_group
from features.compile_model import compile_model
from features.contracts import AppliedContract
from features.cutover import target_of
from features.effects import Effect
from features.plan import GroupPlan
from features.uses import uses
from tests.definitions import GROUPS, late, plain, whole

PLAIN, WHOLE, LIFETIME = (compile_group(group) for group in GROUPS)
NEXT = compile_group(replace(plain, version=2, where="seats > 2"))
USES = [*uses(compile_model(late)), *uses(compile_model(late), 3, "champion")]


def standing(plan: GroupPlan, at: int = 1_000) -> AppliedContract:
    return AppliedContract(plan.name, plan.version, plan.to_json(), plan.contract_hash, at)


ROUTES = {("plain", 1): target_of(standing(NEXT))}


def test_where_each_version_stands_and_how_it_came_about() -> None:
    owned = compile_group(replace(whole, owner="ops"))
    found = catalogue([NEXT, owned], [standing(WHOLE), standing(PLAIN, 500)], USES, ROUTES)
    assert [(e.label, e.standing, e.applied_at, e.effect) for e in found] == [
        ("plain.v1", Standing.ABSENT, 500, None),
        ("plain.v2", Standing.DEFINED, None, Effect.COMPUTATION),
        ("whole.v2", Standing.CHANGED, 1_000, None),
    ]
    assert [e.contract_hash for e in found] == [p.contract_hash for p in (PLAIN, NEXT, WHOLE)]
    assert [e.served_as for e in found] == [2, 2, 2]  # models on plain.v1 read plain.v2
    assert found[2].owner == whole.owner  # what was applied is what holds


def test_versions_go_by_number() -> None:
    many = [standing(compile_group(replace(plain, version=v))) for v in (10, 9, 1)]
    found = catalogue(None, many, [], {})
    assert [(e.version, e.standing) for e in found] == [(v, Standing.APPLIED) for v in (1, 9, 10)]
    assert [e.effect for e in found] == [None, Effect.DESCRIPTION, Effect.DESCRIPTION]


def test_a_groups_entry_has_all_that_its_contract_promises() -> None:
    (entry,) = catalogue([WHOLE], [standing(WHOLE)], USES, {})
    assert entry.standing is Standing.APPLIED
    assert (entry.meaning, entry.owner, entry.source, entry.order) == (
        whole.meaning,
        "operations",
        "landed",
        "log",
    )
    assert (entry.entity, entry.keys) == ("stand", ("carrier", "gate", "diverted"))
    assert entry.windows == ("1h, hop 30m", "6h, hop 5m", "1d, hop 1h")
    assert (entry.expected_max_lag_ms, entry.alert_threshold_ms, entry.on_stale) == (
        3_600_000,
        5_400_000,
        "refuse",
    )
    assert entry.where == "((NOT diverted) OR (delay > 0.5))"
    assert [(f.name, f.type) for f in entry.features] == [(f.name, f.type.value) for f in WHOLE.features]
    computed = {f.name: f.computation for f in entry.features}
    assert computed["delay_mean_6h"] == "mean(delay) over 6h, hop 5m"
    assert computed["count_1h"] == "count() over 1h, hop 30m"
    assert [(use.reader, use.features) for use in entry.uses] == [
        ("late (defined)", ("pace", "busy")),
        ("late 3 (champion)", ("pace", "busy")),
    ]


def test_a_features_default_is_in_its_entry() -> None:
    (entry,) = catalogue([compile_group(replace(plain, defaults={"delay_mean_1h": 0}))], [], [], {})
    assert [(f.name, f.default) for f in entry.features] == [("count_1h", None), ("delay_mean_1h", 0.0)]


@pytest.mark.parametrize(
    ("words", "left"),
    [
        ("", ("count_1h", "delay_mean_1h")),
        ("MEAN", ("delay_mean_1h",)),
        ("plain.v1 count", ("count_1h",)),
        ("carrier 1h", ("count_1h", "delay_mean_1h")),
        ("bigint", ("count_1h",)),
        ("hop 1m", ("count_1h", "delay_mean_1h")),
        ("mean gate", ()),
    ],
)
def test_all_words_occur_in_the_line_of_a_feature(words: str, left: tuple[str, ...]) -> None:
    (entry,) = catalogue([PLAIN], [], [], {})
    found: Entry = entry.matching(words.split())
    assert tuple(f.name for f in found.features) == left
