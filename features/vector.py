"""The compiled plan of a model's vector: stored with each model version as its signature.

Serving and training sets need this plan alone, not the project that it came from.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from features.definitions import Label, Model
from features.errors import DefinitionError
from features.expressions import Expression, parse
from features.expressions.operations import canonical
from features.expressions.tree import substitute
from features.naming import check_name
from features.plan import Feature, NamedExpression, compile_group, compile_source
from features.types import DataType
from features.windows import milliseconds


@dataclass(frozen=True)
class VectorGroup:
    """What a vector reads of one group version: all features in row order, and the positions it takes."""

    group: str
    version: int
    entity: str
    features: tuple[Feature, ...]
    positions: tuple[int, ...]
    expected_max_lag_ms: int
    on_stale: str

    @property
    def label(self) -> str:
        """`<group>.v<version>`."""
        return f"{self.group}.v{self.version}"


@dataclass(frozen=True)
class LabelPlan:
    """A label: an expression over its source's columns, and its times in milliseconds."""

    source: str
    request_id: str
    value: Expression
    where: Expression | None
    due: str
    lead_ms: int
    horizon_ms: int


@dataclass(frozen=True)
class ModelPlan:
    """A model's vector: the groups' features, group by group, then the on-demand features."""

    name: str
    groups: tuple[VectorGroup, ...]
    entities: dict[str, tuple[str, ...]]  # entity name -> key columns
    inputs: dict[str, DataType]
    on_demand: tuple[NamedExpression, ...]
    label: LabelPlan
    label_columns: dict[str, DataType]

    @property
    def names(self) -> tuple[str, ...]:
        """The vector's names in order: `<group>.<feature>`, then the on-demand features."""
        stored = (f"{g.group}.{g.features[p].name}" for g in self.groups for p in g.positions)
        return (*stored, *(d.name for d in self.on_demand))

    def to_dict(self) -> dict[str, Any]:
        """Give the plan as plain data, for JSON."""
        return {
            "name": self.name,
            "groups": [
                {
                    "group": g.group,
                    "version": g.version,
                    "entity": g.entity,
                    "features": [[f.name, f.type.value] for f in g.features],
                    "positions": list(g.positions),
                    "expected_max_lag_ms": g.expected_max_lag_ms,
                    "on_stale": g.on_stale,
                }
                for g in self.groups
            ],
            "entities": {name: list(keys) for name, keys in self.entities.items()},
            "inputs": {name: t.value for name, t in self.inputs.items()},
            "on_demand": {d.name: canonical(d.expression) for d in self.on_demand},
            "label": {
                "source": self.label.source,
                "columns": {name: t.value for name, t in self.label_columns.items()},
                "request_id": self.label.request_id,
                "value": canonical(self.label.value),
                "where": None if self.label.where is None else canonical(self.label.where),
                "due": self.label.due,
                "lead_ms": self.label.lead_ms,
                "horizon_ms": self.label.horizon_ms,
            },
        }

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> "ModelPlan":
        """Read what `to_dict` gave."""
        place = f"model {data['name']}"
        inputs = {name: DataType(t) for name, t in data["inputs"].items()}
        label = data["label"]
        columns = {name: DataType(t) for name, t in label["columns"].items()}
        where = label["where"]
        return ModelPlan(
            name=data["name"],
            groups=tuple(
                VectorGroup(
                    group=g["group"],
                    version=g["version"],
                    entity=g["entity"],
                    features=tuple(Feature(name, DataType(t)) for name, t in g["features"]),
                    positions=tuple(g["positions"]),
                    expected_max_lag_ms=g["expected_max_lag_ms"],
                    on_stale=g["on_stale"],
                )
                for g in data["groups"]
            ),
            entities={name: tuple(keys) for name, keys in data["entities"].items()},
            inputs=inputs,
            on_demand=tuple(
                NamedExpression(name, parse(text, inputs, f"{place}, on_demand {name}"))
                for name, text in data["on_demand"].items()
            ),
            label=LabelPlan(
                source=label["source"],
                request_id=label["request_id"],
                value=parse(label["value"], columns, f"{place}, label"),
                where=None if where is None else parse(where, columns, f"{place}, label where"),
                due=label["due"],
                lead_ms=label["lead_ms"],
                horizon_ms=label["horizon_ms"],
            ),
            label_columns=columns,
        )


def compile_model(model: Model) -> ModelPlan:
    """Type, check and lay out a model's vector. Raises `DefinitionError` with the rule that is broken."""
    place = f"model {model.name}"
    check_name(model.name, place)
    groups = _groups(model, place)
    entities = {e.name: e.keys for e in model.entities}
    for group in groups:
        if group.entity not in entities:
            rule = f"a model names the entity of each of its groups ({', '.join(entities)})"
            raise DefinitionError(place, rule, f"rows of {group.label} could not be found", group.entity)
    on_demand: dict[str, Expression] = {}
    readable = dict(model.inputs)
    for name, text in model.on_demand.items():
        check_name(name, place)
        at = f"{place}, on_demand {name}"
        if name in readable:
            raise DefinitionError(at, "a name is given once", "it would be ambiguous", name)
        on_demand[name] = substitute(parse(text, readable, at), on_demand)
        readable[name] = on_demand[name].type
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
    )


def _groups(model: Model, place: str) -> tuple[VectorGroup, ...]:
    if not model.features and not model.on_demand:
        raise DefinitionError(place, "a model has at least one feature", "its vector would be empty")
    by_label = {ref.group.label: ref.group for ref in model.features}
    groups = []
    for label, group in by_label.items():
        plan = compile_group(group)
        named = [ref.feature for ref in model.features if ref.group.label == label]
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
