"""The compiled plan of a model's vector: stored with each model version as its signature.

Serving and training sets need this plan alone, not the project that it came from.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from features.expressions import Expression, parse
from features.expressions.operations import canonical
from features.expressions.tree import columns_of
from features.plan import Defaults, Feature, NamedExpression, in_row_order
from features.training import BINARY
from features.types import DataType, Value

REQUESTED_AT = "requested_at"
"""The name under which on-demand features read the request's time."""
EVENT_TIMESTAMP = "event_timestamp"
"""The column of a row's own time, which on-demand features read as `<group>.event_timestamp`."""


@dataclass(frozen=True)
class VectorGroup:
    """What a vector reads of one group version: all features in row order, and the positions it takes.

    `defaults` are what it has of features where the entity has no row, and always of those at the positions
    `frozen`, whatever the row holds.
    """

    group: str
    version: int
    entity: str
    features: tuple[Feature, ...]
    positions: tuple[int, ...]
    expected_max_lag_ms: int
    on_stale: str
    defaults: Defaults = ()
    frozen: tuple[int, ...] = ()

    @property
    def label(self) -> str:
        """`<group>.v<version>`."""
        return f"{self.group}.v{self.version}"

    @property
    def timestamp(self) -> str:
        """`<group>.event_timestamp`, as on-demand features name the time of the row in the vector."""
        return f"{self.group}.{EVENT_TIMESTAMP}"

    @property
    def passes_over_stale(self) -> bool:
        """Whether a stale row is read as if it were not there."""
        return self.on_stale == "default"

    def default(self, position: int) -> Value:
        """Give the default of the feature at a position; None is NULL, as where none is stated."""
        return dict(self.defaults).get(self.features[position].name)

    def name(self, position: int) -> str:
        """Give `<group>.<feature>`, as vectors and on-demand features name the feature at a position."""
        return f"{self.group}.{self.features[position].name}"


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
    """A model's vector: the groups' features, group by group, then the on-demand features.

    `task` is what is predicted; of `binary`, a chance from `threshold` on is of the positive class.
    """

    name: str
    groups: tuple[VectorGroup, ...]
    entities: dict[str, tuple[str, ...]]  # entity name -> key columns
    inputs: dict[str, DataType]
    on_demand: tuple[NamedExpression, ...]
    label: LabelPlan
    label_columns: dict[str, DataType]
    serving_delay_ms: int = 0
    task: str = BINARY
    threshold: float = 0.5

    @property
    def names(self) -> tuple[str, ...]:
        """The vector's names in order: `<group>.<feature>`, then the on-demand features."""
        stored = (g.name(p) for g in self.groups for p in g.positions)
        return (*stored, *(d.name for d in self.on_demand))

    @property
    def frozen(self) -> tuple[str, ...]:
        """The names of stored features that stand at their defaults, whatever their rows hold."""
        return tuple(g.name(p) for g in self.groups for p in g.frozen)

    @property
    def named_on_demand(self) -> set[str]:
        """The names that on-demand features read: inputs, times, stored features."""
        return {name for d in self.on_demand for name in columns_of(d.expression)}

    def read_on_demand(self, group: VectorGroup) -> tuple[int, ...]:
        """Give the positions of the group's features that on-demand features read, in row order."""
        read = self.named_on_demand
        return tuple(p for p in range(len(group.features)) if group.name(p) in read)

    def read(self, group: VectorGroup) -> tuple[int, ...]:
        """Give the positions of all features of the group that are read: the vector's, then on demand."""
        return tuple(dict.fromkeys((*group.positions, *self.read_on_demand(group))))

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
                    **({"defaults": dict(g.defaults)} if g.defaults else {}),
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
            "serving_delay_ms": self.serving_delay_ms,
            "task": self.task,
            "threshold": self.threshold,
        }

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> "ModelPlan":
        """Read what `to_dict` gave."""
        place = f"model {data['name']}"
        inputs = {name: DataType(t) for name, t in data["inputs"].items()}
        groups = tuple(_group(g) for g in data["groups"])
        known = readable(inputs, groups)
        label = data["label"]
        columns = {name: DataType(t) for name, t in label["columns"].items()}
        where = label["where"]
        return ModelPlan(
            name=data["name"],
            groups=groups,
            entities={name: tuple(keys) for name, keys in data["entities"].items()},
            inputs=inputs,
            on_demand=tuple(
                NamedExpression(name, parse(text, known, f"{place}, on_demand {name}", inexact=True))
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
            serving_delay_ms=data.get("serving_delay_ms", 0),  # signatures from before they were stated
            task=data.get("task", BINARY),
            threshold=data.get("threshold", 0.5),
        )


def _group(stated: Mapping[str, Any]) -> VectorGroup:
    features = tuple(Feature(name, DataType(t)) for name, t in stated["features"])
    return VectorGroup(
        group=stated["group"],
        version=stated["version"],
        entity=stated["entity"],
        features=features,
        positions=tuple(stated["positions"]),
        expected_max_lag_ms=stated["expected_max_lag_ms"],
        on_stale=stated["on_stale"],
        defaults=in_row_order(stated.get("defaults", {}), features),
    )


def readable(inputs: Mapping[str, DataType], groups: Iterable[VectorGroup]) -> dict[str, DataType]:
    """Give what on-demand features may read: inputs, the request's and the rows' times, stored features."""
    groups = tuple(groups)
    stored = {g.name(p): f.type for g in groups for p, f in enumerate(g.features)}
    times = {g.timestamp: DataType.TIMESTAMP for g in groups}
    return {**inputs, REQUESTED_AT: DataType.TIMESTAMP, **stored, **times}
