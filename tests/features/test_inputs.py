import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from features import DefinitionError, Entity, Lookup, Source, mean
from features.compile import compile_group
from tests.definitions import landed, plain

OTHER = replace(landed(), name="other")


def test_several_sources_share_the_columns_of_one_type(tmp_path: Path) -> None:
    schema = landed().avro
    for field in schema["fields"]:
        if field["name"] == "seats":
            field["type"] = ["null", "double"]
    schema["fields"] = [f for f in schema["fields"] if f["name"] != "gate"]
    path = tmp_path / "other.avsc"
    path.write_text(json.dumps(schema), encoding="utf-8")
    other = Source("other", path, "landed_at", "id", "id", dedup=None)
    both = compile_group(replace(plain, source=[landed(), other]))
    assert list(both.columns) == ["id", "landed_at", "carrier", "delay", "diverted", "due"]
    assert both.order == "log"
    assert [s["dedup"] for s in both.to_dict()["sources"]] == ["partition", "none"]
    with pytest.raises(DefinitionError, match="seats"):
        compile_group(replace(plain, source=[landed(), other], where="seats > 1"))


def test_a_lookup_adds_columns_that_all_else_may_read() -> None:
    other = replace(landed(), name="other")
    lookup = Lookup(other, on={"carrier": "carrier"}, columns={"before": "delay", "at_gate": "gate"})
    again = Lookup(replace(other, name="third"), on={"at_gate": "gate"}, columns={"due_there": "due"})
    group = replace(
        plain,
        entity=Entity("place", ("carrier", "at_gate")),
        lookups=[lookup, again],
        where="due_there is not null",
        columns={"change": "delay - before"},
        aggregates=[mean("change", over="1h")],
    )
    made = compile_group(group)
    assert [s.name for s in made.inputs] == ["landed", "other", "third"]
    assert made.order == "log"
    assert list(made.to_dict()["lookups"][0]["source"]["columns"]) == [
        *("carrier", "delay", "gate", "id", "landed_at")
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"source": []}, "a group has at least one source"),
        ({"source": [landed(), landed()]}, "a group names a source once"),
        (
            {"lookups": [Lookup(landed(), {"carrier": "carrier"}, {"x": "delay"})]},
            "a lookup reads another source than the group's own",
        ),
        ({"lookups": [Lookup(OTHER, {}, {"x": "delay"})]}, "a lookup says what columns are equal"),
        ({"lookups": [Lookup(OTHER, {"carrier": "wing"}, {"x": "delay"})]}, "carrier: wing"),
        (
            {"lookups": [Lookup(OTHER, {"delay": "delay"}, {"x": "gate"})]},
            "columns that are to be equal are of one type, and that is not double",
        ),
        ({"lookups": [Lookup(OTHER, {"carrier": "gate"}, {"x": "delay"})]}, "carrier: string, gate: bigint"),
        ({"lookups": [Lookup(OTHER, {"carrier": "carrier"}, {"x": "wing"})]}, "takes columns of its source"),
        ({"lookups": [Lookup(OTHER, {"carrier": "carrier"}, {"delay": "delay"})]}, "a name is given once"),
    ],
)
def test_a_wrong_input_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        compile_group(replace(plain, **change))
