import copy
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import to_builtins
from msgspec.structs import asdict, replace

from inference.encoding import RESULTS, ResultEncoder
from inference.records import Explanation, FeatureValues, Latency, Result, VectorRow
from schemas.codec import Codec
from schemas.records import TOPICS, load

from .world import LocalSchemas

LONGS = st.integers(-(2**63), 2**63 - 1)
NUMBERS = st.floats(allow_nan=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
ROWS = st.builds(
    VectorRow,
    group=TEXTS,
    version=st.integers(-(2**31), 2**31 - 1),
    entity=TEXTS,
    event_timestamp=LONGS,
    seq=LONGS,
    state=st.sampled_from(["fresh", "stale", "missing"]),
    age_ms=st.none() | LONGS,
    defaulted=st.booleans(),
)
RESULTS_MADE = st.builds(
    Result,
    deduplication_key=TEXTS,
    request_id=TEXTS,
    model_name=TEXTS,
    model_version_used=st.none() | st.integers(1, 2**31 - 1),
    variant=TEXTS,
    door=TEXTS,
    prediction=st.none() | NUMBERS,
    error=st.none() | TEXTS,
    entity_keys=st.dictionaries(TEXTS, TEXTS, max_size=3),
    inputs=st.dictionaries(TEXTS, st.none() | LONGS | NUMBERS | st.booleans() | TEXTS, max_size=4),
    feature_values_used=(
        st.dictionaries(TEXTS, st.none() | NUMBERS, max_size=70)
        | st.dictionaries(TEXTS, NUMBERS, max_size=70)
    ).map(lambda values: named(values)),
    rows=st.lists(ROWS, max_size=3),
    requested_at=LONGS,
    predicted_at=LONGS,
    latency=st.builds(Latency, NUMBERS, NUMBERS, NUMBERS, NUMBERS),
    outputs=st.lists(NUMBERS, max_size=70),
    predicted_class=st.none() | TEXTS,
    explanation=st.none() | st.builds(Explanation, NUMBERS, st.dictionaries(TEXTS, NUMBERS, max_size=5)),
    frozen=st.lists(TEXTS, max_size=3).map(tuple),
)


def as_record(result: Result) -> dict[str, Any]:
    """A result as the mapping that the schema describes."""
    fields = {name: getattr(result, name) for name in result.__struct_fields__}
    latency, explained = fields.pop("latency"), fields.pop("explanation")
    took = {f"latency_{name}_ms": getattr(latency, name) for name in Latency.__struct_fields__}
    parts = {"bias": None, "contributions": {}} if explained is None else to_builtins(explained)
    read = {
        "rows": [asdict(row) for row in result.rows],
        "feature_values_used": result.feature_values_used.by_name(),
        "frozen": [*result.frozen],
    }
    return fields | read | took | parts


def named(values: dict[str, float | None]) -> FeatureValues:
    return FeatureValues(tuple(values), list(values.values()))


@pytest.fixture(scope="module")
def engines() -> tuple[ResultEncoder, Callable[..., bytes], Codec]:
    codec = Codec(LocalSchemas())
    return ResultEncoder(codec), codec.encoder(RESULTS, load(TOPICS[RESULTS])), codec


@given(RESULTS_MADE)
def test_the_bytes_are_those_of_an_avro_library(
    engines: tuple[ResultEncoder, Callable[..., bytes], Codec], result: Result
) -> None:
    encoder, by_library, codec = engines
    (found,) = encoder.records(RESULTS, [result])
    header = 5  # each registration has an id of its own
    assert found.value[header:] == by_library(as_record(result))[header:]
    assert codec.decode(found.value) == as_record(result)
    assert (found.topic, found.key) == (RESULTS, result.request_id.encode())


def test_a_result_from_before_defaults_were_told_reads_as_one_without() -> None:
    codec, former = Codec(LocalSchemas()), copy.deepcopy(load(TOPICS[RESULTS]))
    (rows,) = (field["type"]["items"]["fields"] for field in former["fields"] if field["name"] == "rows")
    assert rows.pop()["name"] == "defaulted"
    row = VectorRow("g", 1, "A", 5, 2, "fresh", 3, defaulted=False)
    made = Result("", "", "", None, "", "", None, None, {}, {}, FeatureValues(), [row], 0, 0)
    written = codec.encoder(RESULTS, former)(as_record(made))
    read = codec.decoder(load(TOPICS[RESULTS]))(written)
    assert read["rows"] == [asdict(row)]


def test_a_result_from_before_outputs_were_told_reads_as_one_without() -> None:
    codec, former = Codec(LocalSchemas()), copy.deepcopy(load(TOPICS[RESULTS]))
    made = as_record(Result("", "", "", None, "", "", 0.5, None, {}, {}, FeatureValues(), [], 0, 0))
    later = [former["fields"].pop()["name"] for _ in range(5)]
    assert set(later) == {"outputs", "predicted_class", "bias", "contributions", "frozen"}
    assert codec.decoder(load(TOPICS[RESULTS]))(codec.encoder(RESULTS, former)(made)) == made


def test_the_same_names_with_other_values_are_told_apart(
    engines: tuple[ResultEncoder, Callable[..., bytes], Codec],
) -> None:
    encoder, _, codec = engines
    empty = Result("", "", "", None, "", "", None, None, {}, {}, FeatureValues(), [], 0, 0)
    values = [{"a": 1.0, "b": 2.0}, {"a": 3.0, "b": None}, {"a": -math.inf, "b": 5e-324}]
    made = [replace(empty, feature_values_used=named(each)) for each in values]
    found = [codec.decode(r.value)["feature_values_used"] for r in encoder.records(RESULTS, made)]
    assert found == values


def test_a_schema_of_other_fields_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    other = load(TOPICS[RESULTS]) | {"fields": load(TOPICS[RESULTS])["fields"][::-1]}
    monkeypatch.setattr("inference.encoding.load", lambda _: other)
    with pytest.raises(ValueError, match="the fields frozen, contributions"):
        ResultEncoder(Codec(LocalSchemas()))
