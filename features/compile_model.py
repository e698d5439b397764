"""The compiler of models: from what a user wrote to the plan of the vector."""

from collections.abc import Sequence

from features.compile import compile_group
from features.compile_inputs import compile_source
from features.definitions import FeatureGroup, Label, Model
from features.errors import DefinitionError
from features.expressions import Expression, parse
from features.expressions.tree import substitute
from features.naming import check_column_name, check_name
from features.plan import NamedExpression
from features.search import check_search
from features.training import check_training
from features.types import DataType
from features.vector import REQUESTED_AT, LabelPlan, ModelPlan, VectorGroup, readable
from features.windows import milliseconds


def compile_model(model: Model) -> ModelPlan:
    """Type, check and lay out a model's vector. Raises `DefinitionError` with the rule that is broken."""
    place = f"model {model.name}"
    check_name(model.name, place)
    check_training(place, model.trainer, model.task, model.calibrate, model.threshold)
    if model.search is not None:
        check_search(place, model.search)
    groups = _groups(model, place)
    entities = {e.name: e.keys for e in model.entities}
    for group in groups:
        if group.entity not in entities:
            rule = f"a model names the entity of each of its groups ({', '.join(entities)})"
            raise DefinitionError(place, rule, f"rows of {group.label} could not be found", group.entity)
    on_demand: dict[str, Expression] = {}
    known = readable(model.inputs, groups)
    for name in (*model.inputs, *model.on_demand):
        check_column_name(name, place)
    if REQUESTED_AT in model.inputs:
        rule = f"{REQUESTED_AT} is the request's own time, which no input brings"
        raise DefinitionError(f"{place}, input {REQUESTED_AT}", rule, "it would be ambiguous")
    for name, text in model.on_demand.items():
        at = f"{place}, on_demand {name}"
        if name in known:
            raise DefinitionError(at, "a name is given once", "it would be ambiguous", name)
        on_demand[name] = substitute(parse(text, known, at, inexact=True), on_demand)
        known[name] = on_demand[name].type
        if on_demand[name].type not in (DataType.INTEGER, DataType.DOUBLE, DataType.BOOLEAN):
            raise DefinitionError(
                at,
                "a vector holds numbers and booleans",
                "ONNX could not take it",
                on_demand[name].type.value,
            )
    return ModelPlan(
        name=model.name,
        groups=groups,
        entities=entities,
        inputs=dict(model.inputs),
        on_demand=tuple(NamedExpression(name, expression) for name, expression in on_demand.items()),
        label=_label(model.label, model, place),
        label_columns=dict(model.label.source.columns),
        serving_delay_ms=_delay(model.serving_delay, place),
        task=model.task,
        threshold=model.threshold,
    )


def _delay(stated: str | None, place: str) -> int:
    return 0 if stated is None else milliseconds(stated, f"{place}, serving_delay")


def _groups(model: Model, place: str) -> tuple[VectorGroup, ...]:
    if not model.features and not model.on_demand:
        raise DefinitionError(place, "a model has at least one feature", "its vector would be empty")
    by_name: dict[str, FeatureGroup] = {}
    for ref in model.features:
        standing = by_name.setdefault(ref.group.name, ref.group)
        if standing.version != ref.group.version:
            rule = f"a model reads one version of a group, and it names {standing.label} too"
            consequence = "features of two meanings would share one name"
            raise DefinitionError(place, rule, consequence, ref.group.label)
        if standing != ref.group:
            rule = "a label stands for one definition of a group, and the model reads two"
            raise DefinitionError(place, rule, "one would hide the other", ref.group.label)
    groups = []
    for group in by_name.values():
        plan = compile_group(group)
        named = [ref.feature for ref in model.features if ref.group.name == group.name]
        positions = [[f.name for f in plan.features].index(name) for name in named]
        for position in positions:
            feature = plan.features[position]
            if feature.type not in (DataType.INTEGER, DataType.DOUBLE, DataType.BOOLEAN):
                raise DefinitionError(
                    f"{place}, feature {group.name}.{feature.name}",
                    "a vector holds numbers and booleans",
                    "ONNX could not take it",
                    feature.type.value,
                )
        if len(set(named)) < len(named):
            raise DefinitionError(
                place, "a vector names a feature once", "it would hold it twice", sorted(named)
            )
        groups.append(
            VectorGroup(
                group=plan.name,
                version=plan.version,
                entity=plan.entity,
                features=plan.features,
                positions=tuple(positions),
                expected_max_lag_ms=plan.expected_max_lag_ms,
                on_stale=plan.on_stale,
                defaults=plan.defaults,
            )
        )
    return tuple(groups)


def _label(label: Label, model: Model, place: str) -> LabelPlan:
    at = f"{place}, label"
    columns = compile_source(label.source).columns
    needed: Sequence[str] = (
        label.request_id,
        label.due,
        *(key for e in model.entities for key in e.keys),
        *model.inputs,
    )
    for name in needed:
        if name not in columns:
            rule = f"the label's source {label.source.name} has the request's columns ({', '.join(columns)})"
            raise DefinitionError(at, rule, "no training set could be built", name)
    for name, data_type in model.inputs.items():
        if columns[name] is not data_type:
            rule = f"an input has the type of the label source's column ({columns[name].value})"
            raise DefinitionError(
                f"{at}, input {name}", rule, "training and serving would differ", data_type.value
            )
    if columns[label.due] is not DataType.TIMESTAMP:
        raise DefinitionError(at, "due is a timestamp column", "no prediction time could be told", label.due)
    value = parse(label.value, columns, f"{at}, value")
    where = None if label.where is None else parse(label.where, columns, f"{at}, where")
    if value.type not in (DataType.INTEGER, DataType.DOUBLE, DataType.BOOLEAN):
        raise DefinitionError(
            at, "a label is a number or a boolean", "nothing could learn it", value.type.value
        )
    if where is not None and where.type is not DataType.BOOLEAN:
        raise DefinitionError(f"{at}, where", "a condition is boolean", "no label could be kept", label.where)
    return LabelPlan(
        source=label.source.name,
        request_id=label.request_id,
        value=value,
        where=where,
        due=label.due,
        lead_ms=milliseconds(label.lead, f"{at}, lead"),
        horizon_ms=milliseconds(label.horizon, f"{at}, horizon"),
    )
