import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from features import DataType, DefinitionError, Entity, Freshness, Label, Model
from features.compile_model import compile_model
from features.vector import ModelPlan
from tests.definitions import carrier, landed, late, lifetime, plain, stand, whole

Change = Callable[[Model], Model]


load = replace(plain, name="load")  # a word of SQL, which an expression has to quote
filled = replace(
    whole,
    defaults={"near": 0, "busy": True, "carrier_last": "it's", "count_1h": 2**62},
    freshness=Freshness("1h", on_stale="default"),
)


def label(model: Model, **changed: Any) -> Model:
    return replace(model, label=replace(model.label, **changed))


def test_the_order_is_group_by_group_then_on_demand() -> None:
    features = [whole["pace"], plain["delay_mean_1h"], whole["count_1h"], plain["count_1h"]]
    plan = compile_model(replace(late, features=features))
    assert plan.names == (
        *("whole.pace", "whole.count_1h", "plain.delay_mean_1h", "plain.count_1h"),
        *("hour", "evening"),
    )
    for group in plan.groups:
        named = [group.features[p].name for p in group.positions]
        assert [f"{group.group}.{name}" for name in named] == [
            n for n in plan.names if n.startswith(f"{group.group}.")
        ]


def test_it_carries_what_serving_needs_of_each_group() -> None:
    plan = compile_model(late)
    assert [(g.label, g.entity, g.expected_max_lag_ms, g.on_stale) for g in plan.groups] == [
        ("plain.v1", "carrier", 600_000, "serve"),
        ("whole.v2", "stand", 3_600_000, "refuse"),
    ]
    assert plan.entities == {"carrier": ("carrier",), "stand": ("carrier", "gate", "diverted")}
    assert (plan.label.lead_ms, plan.label.horizon_ms) == (7_200_000, 86_400_000)


@pytest.mark.parametrize(
    "model",
    [
        late,
        replace(late, features=[]),
        replace(late, inputs={}, on_demand={}),
        label(late, where=None, value="nullif(delay, 0) / greatest(seats, 1)"),
        replace(late, on_demand={"a": "seats + 1", "b": "a * 2.5e-7"}),
        replace(late, on_demand={"a": "ln(seats)", "b": "haversine(seats, 1, a, -2.5)"}),
        replace(late, on_demand={"a": "whole.count_1h - plain.count_1h", "b": "a > seats"}),
        replace(late, on_demand={"same": "whole.carrier_last = 'A'"}),
        replace(late, on_demand={"early": "requested_at < due", "hour": "extract(hour from requested_at)"}),
        replace(late, features=[load["count_1h"]], on_demand={"more": '"load".count_1h + 1'}),
        replace(late, serving_delay="1500ms"),
        replace(late, features=[plain["count_1h"], filled["busy"]]),
    ],
    ids=[
        *("all", "on demand only", "stored only", "another label", "one by another", "inexact"),
        *("stored by on demand", "text by on demand", "by the request's time", "a word of SQL", "delayed"),
        "defaults",
    ],
)
def test_the_signature_reads_back(model: Model) -> None:
    plan = compile_model(model)
    stored = json.loads(json.dumps(plan.to_dict()))
    assert ModelPlan.from_dict(stored) == plan
    assert ModelPlan.from_dict(stored).names == plan.names


def test_a_signature_says_nothing_of_defaults_where_there_are_none() -> None:
    stored = compile_model(replace(late, features=[plain["count_1h"], filled["busy"]])).to_dict()
    assert [group.pop("defaults", None) for group in stored["groups"]] == [
        None,
        {"count_1h": 2**62, "carrier_last": "it's", "busy": True, "near": 0.0},
    ]
    assert [group.defaults for group in ModelPlan.from_dict(stored).groups] == [(), ()]


def test_a_signature_from_before_delays_were_stated_reads_as_one_without() -> None:
    stored = compile_model(late).to_dict()
    del stored["serving_delay_ms"]
    assert ModelPlan.from_dict(stored) == compile_model(late)


def test_it_knows_which_stored_features_on_demand_ones_read() -> None:
    texts = {
        "a": "whole.count_6h + 1",
        "b": "a * 2",
        "c": "whole.carrier_last = 'A' and plain.count_1h > seats",
    }
    plan = compile_model(replace(late, on_demand=texts))
    read = {g.group: [g.name(p) for p in plan.read_on_demand(g)] for g in plan.groups}
    assert read == {
        "plain": ["plain.count_1h"],
        "whole": ["whole.count_6h", "whole.carrier_last"],
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda m: replace(m, features=[], on_demand={}),
            "model late: a model has at least one feature; its vector would be empty",
        ),
        (
            lambda m: replace(m, features=[plain["count_1h"], plain["count_1h"]]),
            "model late: a vector names a feature once (found ['count_1h', 'count_1h']); it would hold "
            "it twice",
        ),
        (
            lambda m: replace(m, features=[plain["count_1h"], replace(plain, version=2)["delay_mean_1h"]]),
            "model late: a model reads one version of a group, and it names plain.v1 too (found 'plain.v2'); "
            "features of two meanings would share one name",
        ),
        (
            lambda m: replace(m, features=[plain["count_1h"], replace(plain, owner="x")["delay_mean_1h"]]),
            "model late: a label stands for one definition of a group, and the model reads two (found "
            "'plain.v1'); one would hide the other",
        ),
        (
            lambda m: replace(m, on_demand={"label_time": "seats"}),
            "model late: label, label_time, prediction_time, request_id are columns of every training set "
            "(found 'label_time'); it would hide one",
        ),
        (
            lambda m: replace(m, inputs={**m.inputs, "request_id": DataType.TEXT}),
            "are columns of every training set (found 'request_id'); it would hide one",
        ),
        (
            lambda m: replace(m, features=[whole["carrier_last"]]),
            "model late, feature whole.carrier_last: a vector holds numbers and booleans (found 'string'); "
            "ONNX could not take it",
        ),
        (
            lambda m: replace(m, entities=[carrier]),
            "model late: a model names the entity of each of its groups (carrier) (found 'stand'); "
            "rows of whole.v2 could not be found",
        ),
        (
            lambda m: replace(m, on_demand={"due": "seats + 1"}),
            "model late, on_demand due: a name is given once (found 'due'); it would be ambiguous",
        ),
        (
            lambda m: replace(m, on_demand={"when": "nullif(due, due)"}),
            "model late, on_demand when: a vector holds numbers and booleans (found 'timestamp'); "
            "ONNX could not take it",
        ),
        (
            lambda m: replace(m, on_demand={"hour": "extract(hour from delay)"}),
            "model late, on_demand hour: expression 'extract(hour from delay)', at 'delay': "
            "an expression names known columns (due, seats, requested_at, plain.count_1h, "
            "plain.delay_mean_1h, whole.",
        ),
        (
            lambda m: replace(m, on_demand={"more": "lifetime.count + 1"}),
            "model late, on_demand more: expression 'lifetime.count + 1', at 'lifetime.count': "
            "an expression names known columns (due, seats, requested_at,",
        ),
        (
            lambda m: replace(m, on_demand={"more": "far.plain.count_1h + 1"}),
            "at 'far.plain.count_1h': an expression names known columns",
        ),
        (
            lambda m: replace(m, on_demand={"gate": "whole.carrier_last"}),
            "model late, on_demand gate: a vector holds numbers and booleans (found 'string')",
        ),
        (
            lambda m: replace(m, inputs={**m.inputs, "requested_at": DataType.TIMESTAMP}),
            "model late, input requested_at: requested_at is the request's own time, which no input brings; "
            "it would be ambiguous",
        ),
        (
            lambda m: replace(m, on_demand={"requested_at": "seats"}),
            "model late, on_demand requested_at: a name is given once (found 'requested_at'); it would be",
        ),
        (
            lambda m: replace(m, serving_delay="0s"),
            "model late, serving_delay: a duration is a positive whole number",
        ),
        (lambda m: replace(m, on_demand={"Hour": "seats"}), "model late: a name is lower-case"),
        (lambda m: replace(m, name="late arrival"), "model late arrival: a name is lower-case letters"),
        (
            lambda m: replace(m, inputs={**m.inputs, "wind": DataType.DOUBLE}),
            "model late, label: the label's source landed has the request's columns (id, landed_at, "
            "carrier, gate, "
            "delay, seats, diverted, due) (found 'wind'); no training set could be built",
        ),
        (
            lambda m: replace(m, inputs={**m.inputs, "seats": DataType.DOUBLE}),
            "model late, label, input seats: an input has the type of the label source's column (bigint) "
            "(found 'double'); training and serving would differ",
        ),
        (
            lambda m: replace(m, entities=[*m.entities, Entity("tail")]),
            "the label's source landed has the request's columns",
        ),
        (lambda m: label(m, request_id="key"), "(found 'key'); no training set could be built"),
        (
            lambda m: label(m, due="seats"),
            "model late, label: due is a timestamp column (found 'seats'); no prediction time could be told",
        ),
        (
            lambda m: label(m, value="carrier"),
            "model late, label: a label is a number or a boolean (found 'string'); nothing could learn it",
        ),
        (
            lambda m: label(m, value="delay >"),
            "model late, label, value: an expression is one SQL expression",
        ),
        (
            lambda m: label(m, where="seats"),
            "model late, label, where: a condition is boolean (found 'seats'); no label could be kept",
        ),
        (
            lambda m: label(m, value="exp(delay)"),
            "model late, label, value: expression 'exp(delay)', at 'EXP(delay)': only derived and on_demand",
        ),
        (
            lambda m: label(m, where="sin(delay) > 0"),
            "model late, label, where: expression 'sin(delay) > 0', at 'SIN(delay)': only derived and",
        ),
        (lambda m: label(m, lead="-2h"), "model late, label, lead: a duration is a positive whole number"),
        (
            lambda m: label(m, horizon="1w"),
            "model late, label, horizon: a duration is a positive whole number",
        ),
    ],
)
def test_a_mistake_is_refused_with_rule_consequence_and_place(change: Change, message: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        compile_model(change(late))
    assert message in str(refused.value)


def test_a_text_feature_may_stand_beside_those_that_a_vector_takes() -> None:
    model = Model(
        "gates", [stand, carrier], [lifetime["gate_last"]], Label(landed(), "id", "delay", "due", "1h", "1d")
    )
    (group,) = compile_model(model).groups
    assert [group.features[p].name for p in group.positions] == ["gate_last"]
