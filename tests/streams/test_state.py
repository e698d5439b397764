"""What a job's state is laid out as, and what is told where another one is there."""

from dataclasses import replace

import pytest

from features import FeatureGroup, Lookup, count, last, mean
from features.compile import compile_group
from features.errors import DefinitionError
from features.inputs import SourcePlan
from features.plan import GroupPlan
from features.types import DataType
from streams.state import differences, layouts, refuse_unfit, uids
from tests.definitions import GROUPS, landed, plain

KEYED = replace(plain, source=replace(landed(partitions=3), partition_key="carrier"))
LOOKING = replace(
    KEYED,
    lookups=[Lookup(replace(landed(), name="other"), on={"carrier": "carrier"}, columns={"before": "delay"})],
    columns={"change": "delay - before"},
    aggregates=[mean("change", over="1h")],
)


def kept(group: FeatureGroup) -> list[str]:
    """Give the uids that a job of the group leaves in its state."""
    return list(uids(compile_group(group)).values())


def gained(source: SourcePlan) -> SourcePlan:
    """Give the source after its schema has gained a column, ahead of the others."""
    return replace(source, columns={"added": DataType.TEXT} | source.columns)


@pytest.mark.parametrize("group", [*GROUPS, KEYED, LOOKING], ids=lambda g: g.name)
def test_a_state_fits_the_job_that_left_it(group: FeatureGroup) -> None:
    assert differences(compile_group(group), kept(group)) == []


def test_each_stateful_step_has_one_name_and_one_uid() -> None:
    plan = compile_group(LOOKING)
    assert [name.removeprefix("plain.v1 ") for name in uids(plan)] == [
        *("landed source", "landed clock", "landed dedup", "other source", "other clock"),
        *("other 0 lookup", "windows", "features.plain.v1 sink", "dead_letters sink", "features.clocks sink"),
    ]
    assert uids(plan)["plain.v1 landed clock"] == 'plain.v1 landed clock {"dedup":"keyed","format":1}'
    longest = max(len(uid.encode()) for group in GROUPS for uid in kept(group))
    assert (
        longest < 0xFFFF / 8
    )  # Flink writes no longer one; there is room for eight times what all can state


def test_rows_of_state_hold_the_columns_that_the_contract_reads() -> None:
    found = layouts(compile_group(LOOKING))
    assert found["plain.v1 landed dedup"]["columns"] == {
        "carrier": "string",
        "delay": "double",
        "id": "string",
        "landed_at": "timestamp",
    }
    assert found["plain.v1 other 0 lookup"] == {
        "format": 1,
        "found": {"before": "double"},
        "event": {"carrier": "string", "delay": "double"},
    }


@pytest.mark.parametrize("group", [KEYED, LOOKING], ids=["dedup", "lookup"])
def test_a_source_that_gains_a_column_keeps_its_jobs_state(group: FeatureGroup) -> None:
    plan = compile_group(group)
    lookups = tuple(replace(each, source=gained(each.source)) for each in plan.lookups)
    wider = replace(plan, sources=tuple(gained(s) for s in plan.sources), lookups=lookups)
    assert wider.inputs != plan.inputs
    assert differences(wider, kept(group)) == []
    assert wider.contract_hash == plan.contract_hash


def test_what_is_computed_in_sql_may_change_over_the_same_state() -> None:
    group = replace(plain, where="not diverted", derived={"twice": "count_1h * 2"}, meaning="Another one")
    assert differences(compile_group(group), kept(plain)) == []


@pytest.mark.parametrize(
    ("group", "found"),
    [
        (replace(KEYED, where="seats > 0"), ["landed dedup: columns.seats was none, is \"bigint\""]),
        (
            replace(KEYED, aggregates=[count(over="2h"), mean("delay", over="2h")]),
            ["windows: windows.0 was [3600000, 60000], is [7200000, 60000]"],
        ),
        (
            replace(KEYED, aggregates=[count(over="1h"), last("delay", nth=2, over="1h")]),
            ['windows: aggregates.1 was ["mean", 0, 0], is ["last", 0, 0, {"nth": 2}]'],
        ),
        (
            replace(KEYED, aggregates=[count(over="1h"), mean("seats", over="1h")]),
            [
                "landed dedup: columns.delay was \"double\", is none",
                "landed dedup: columns.seats was none, is \"bigint\"",
                "windows: arguments.0 was \"double\", is \"bigint\"",
            ],
        ),
        (
            replace(KEYED, source=replace(landed(), dedup="1h")),
            [
                'landed clock: dedup was "keyed", is "partition"',
                "landed dedup: the job has no such operator",
                'windows: order was "log", is "arrival"',
            ],
        ),
    ],
    ids=["column", "window", "aggregate", "argument", "order"],
)  # fmt: skip
def test_what_differs_is_named(group: FeatureGroup, found: list[str]) -> None:
    told = differences(compile_group(group), kept(KEYED))
    assert [text.removeprefix("plain.v1 ") for text in told] == found


def test_a_step_whose_state_has_another_form_is_refused() -> None:
    other = [uid.replace('"format":1', '"format":0') if " windows " in uid else uid for uid in kept(plain)]
    with pytest.raises(DefinitionError) as refused:
        refuse_unfit(compile_group(plain), other, "file:///checkpoints/plain.v1/job/chk-7")
    text = str(refused.value)
    assert text.startswith(
        "job plain.v1, state of file:///checkpoints/plain.v1/job/chk-7: a job goes on from"
    )
    assert "plain.v1 windows: format was 0, is 1" in text
    assert "nothing was touched" in text
    assert "remove its folder of checkpoints, and apply" in text


@pytest.mark.parametrize(
    ("left", "found"),
    [
        (["plain.v1-windows"], ["plain.v1-windows: the job has no such operator"]),
        ([], ["it names no operators"]),
    ],
    ids=["an earlier release's", "of a job that tells nothing"],
)
def test_a_state_that_does_not_tell_its_layout_fits_no_job(left: list[str], found: list[str]) -> None:
    assert differences(compile_group(plain), left) == found


def test_a_long_list_of_differences_is_cut() -> None:
    plan: GroupPlan = compile_group(plain)
    with pytest.raises(DefinitionError, match="and 3 more"):
        refuse_unfit(plan, [f"operator {number}" for number in range(11)], "here")
