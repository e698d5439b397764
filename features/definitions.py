"""What a user writes: entities, sources, feature groups and models."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from features.aggregates import Aggregate
from features.errors import DefinitionError
from features.search import Search
from features.training import BINARY, Parameter
from features.types import DataType, Value, from_avro


@dataclass(frozen=True)
class Entity:
    """What a feature describes, named by the source columns that identify it."""

    name: str
    keys: tuple[str, ...] = ()
    meaning: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "keys", tuple(self.keys) or (self.name,))


@dataclass(frozen=True)
class Source:
    """A Kafka topic of Avro events.

    `event_time` names the timestamp column `ts`; `event_id` the column that dedup goes by, within
    `dedup` (None: never); `partition_key` the column that producers partition by. `max_clock_skew`
    bounds how far a producer's Kafka timestamp may lie ahead of the broker's clock.
    """

    name: str
    schema: Path
    event_time: str
    event_id: str
    partition_key: str
    dedup: str | None = "1d"
    max_clock_skew: str = "5m"
    partitions: int = 1
    meaning: str = ""

    @cached_property
    def avro(self) -> dict[str, Any]:
        """The source's Avro schema, as read from its `.avsc` file."""
        return dict(json.loads(Path(self.schema).read_text(encoding="utf-8")))

    @cached_property
    def columns(self) -> dict[str, DataType]:
        """The columns by name, in the schema's order."""
        return {
            f["name"]: from_avro(f["type"], f"source {self.name}, field {f['name']}")
            for f in self.avro["fields"]
        }


@dataclass(frozen=True)
class Lookup:
    """The latest values of another source, as the log held them when an event came.

    `on` says which column of the event equals which column of `source`; `columns` names what the event
    gains, each from a column of `source`. Latest goes by event time, then by the order of the log; NULL
    where there is nothing yet.
    """

    source: Source
    on: Mapping[str, str]
    columns: Mapping[str, str]


@dataclass(frozen=True)
class Freshness:
    """How fresh a group must be, and what a reader gets when it is not.

    `on_stale` is `serve` (the row, marked as stale), `default` (what an entity without a row gets: the
    group's defaults, NULL where a feature has none) or `refuse` (no prediction).

    `quiet_after` is the lag from which a source that brings nothing is told of, where that is normal for
    longer than `alert_threshold_minutes` (a source that sleeps at night). A pipeline that stands still is
    told of at the threshold all the same.
    """

    expected_max_lag: str = "10m"
    alert_threshold_minutes: int = 30
    on_stale: str = "serve"
    quiet_after: str | None = None


@dataclass(frozen=True)
class FeatureRef:
    """One feature of one group version: `carrier_delay["momentum"]`."""

    group: "FeatureGroup"
    feature: str


@dataclass(frozen=True)
class FeatureGroup:
    """Features of one entity from a source, under one version of one contract.

    Several sources are read as one: the group sees the columns that all of them have, of one type.
    `lookups` add the latest values of other sources to each event. `where` keeps the events for which it
    is true; `columns` are row columns that aggregates may name; `derived` are computed from the
    aggregates of the same row. `defaults` are the values, by feature, that a vector has where the entity
    has no row (a timestamp's is in ms); a NULL in a row stays NULL. `ranges` are the least and the greatest
    value that is possible, of features that are numbers: a drifted feature beyond its range looks broken, and
    nothing is trained on it; rows are what they are.
    """

    name: str
    version: int
    entity: Entity
    source: Source | Sequence[Source]
    aggregates: Sequence[Aggregate]
    lookups: Sequence[Lookup] = ()
    where: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    derived: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, Value] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    freshness: Freshness = Freshness()
    owner: str = ""
    meaning: str = ""

    def __getitem__(self, feature: str) -> FeatureRef:
        names = [a.name for a in self.aggregates] + list(self.derived)
        if feature not in names:
            raise DefinitionError(
                f"group {self.name}",
                f"a model names features that the group has ({', '.join(names)})",
                "its vector could not be filled",
                feature,
            )
        return FeatureRef(self, feature)

    @property
    def sources(self) -> tuple[Source, ...]:
        """The sources whose events the group takes."""
        return (self.source,) if isinstance(self.source, Source) else tuple(self.source)

    @property
    def label(self) -> str:
        """`<name>.v<version>`, as topics and tables spell it."""
        return f"{self.name}.v{self.version}"


@dataclass(frozen=True)
class Label:
    """What comes true after a prediction.

    `source` carries the outcome; `request_id` names its column that equals the prediction's
    `request_id`; `value` is an expression over its columns (1 or true is the positive class). In
    history, a prediction is made `lead` before the timestamp column `due`. A label counts when it
    arrives within `horizon` after the prediction.
    """

    source: Source
    request_id: str
    value: str
    due: str
    lead: str
    horizon: str
    where: str | None = None


@dataclass(frozen=True)
class Model:
    """A model's contract: entities, features, request-time inputs and label.

    `inputs` gives the types of what a request must bring. `on_demand` features are expressions over
    them, over `requested_at` (the request's time, a timestamp), and over any feature of the groups
    that `features` names, text too, as `<group>.<feature>` (NULL where the entity has no row). The
    vector's order is `features`, then `on_demand`.

    `task` is what is predicted (`binary` or `regression`), `trainer` who learns it: one of
    `features.training.TRAINERS`, or a function of one's own as `module:function`. `parameters` are the
    trainer's, until `augury tune` has found better ones where `search` states. With `calibrate`, the chances
    are corrected on the newest training rows. From `threshold` on a chance is of the positive class.

    `serving_delay` says how much later than the log a row can be served: training vectors are made
    of rows of that age or more at the prediction. `augury audit` measures it. None: no later.
    """

    name: str
    entities: Sequence[Entity]
    features: Sequence[FeatureRef]
    label: Label
    inputs: Mapping[str, DataType] = field(default_factory=dict)
    on_demand: Mapping[str, str] = field(default_factory=dict)
    task: str = BINARY
    trainer: str = "lightgbm"
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    search: Search | None = None
    calibrate: bool = False
    threshold: float = 0.5
    serving_delay: str | None = None
    owner: str = ""
    meaning: str = ""
