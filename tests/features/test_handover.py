from dataclasses import replace

import pytest
from fastavro import parse_schema

from features import Lookup
from features.compile import compile_group
from features.handover import HandoverError, check_handover, seed_schema, seed_types
from features.types import DataType
from tests.definitions import GROUPS, landed, plain


@pytest.mark.parametrize("group", GROUPS, ids=lambda g: g.name)
def test_a_seed_holds_an_event_as_the_windows_take_it(group: object) -> None:
    plan = compile_group(group)  # type: ignore[arg-type]
    types = seed_types(plan)
    assert list(types)[:6] == ["entity", "ts", "t", "topic", "partition", "offset"]
    assert len(types) == 6 + len(plan.arguments)
    assert DataType.TIMESTAMP not in types.values()  # times are ms, as in the job
    schema = seed_schema(plan)
    assert [field["name"] for field in schema["fields"]] == list(types)
    parse_schema(schema)


def test_a_group_with_lookups_is_refused() -> None:
    other = replace(landed(), name="other")
    looking = replace(
        plain, lookups=[Lookup(other, on={"carrier": "carrier"}, columns={"their_delay": "delay"})]
    )
    check_handover(compile_group(plain))
    with pytest.raises(HandoverError, match=r"plain\.v\d+ looks up other"):
        check_handover(compile_group(looking))
