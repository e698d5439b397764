"""What the serving benchmark asks: a project of three models, their rows, and the requests.

The rows of an entity are the same whoever serves them. Every fiftieth entity has a NULL in each group, and
one key of a hundred in the requests has no rows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import ROOT
from features import (
    Entity,
    FeatureGroup,
    Freshness,
    Label,
    Model,
    Source,
    count,
    maximum,
    mean,
    minimum,
    total,
)
from features.plan import Feature
from features.types import DataType

BATCHES = (1, 10, 100)
_NULLS, _LACKING = 50, 100

Numbers = NDArray[np.float64]
Values = list[list[float | None]]


@dataclass(frozen=True)
class Shape:
    """A model by its width: so many features in so many groups."""

    features: int
    groups: int

    @property
    def model(self) -> str:
        """The model's name."""
        return f"fraud_{self.features}"

    def __str__(self) -> str:
        """Give it as tables have it."""
        return f"{self.features} features in {self.groups} group{'s' * (self.groups > 1)}"


SMALL, MIDDLE, LARGE = Shape(5, 1), Shape(50, 5), Shape(250, 25)


@dataclass(frozen=True)
class Size:
    """What is run: shapes by how many entities there are, connections, and seconds of each run."""

    worlds: tuple[tuple[int, tuple[Shape, ...]], ...]
    connections: tuple[int, ...]
    closed_s: float
    open_s: float
    rounds: int
    draws: int
    kafka_requests: int


_ALL = ((10_000, (SMALL, MIDDLE, LARGE)), (1_000_000, (MIDDLE,)))
SIZES = {
    "quick": Size(((10_000, (MIDDLE,)),), (4, 16), 0.7, 1.5, 3, 1_000, 20_000),
    "wide": Size(_ALL, (4, 16), 0.7, 1.5, 2, 1_000, 20_000),
    "full": Size(_ALL, (4, 16, 64), 5, 15, 5, 10_000, 200_000),
}


def model(shape: Shape) -> Model:
    """Give the model of a shape, with its groups: five aggregates over each of one or two windows."""
    card = Entity("card")
    source = Source("payment", ROOT / "payment.avsc", "paid_at", "id", "card", dedup=None, partitions=1)
    spans = ("1h", "1d")[: shape.features // shape.groups // 5]
    groups = [
        FeatureGroup(
            f"spending_{shape.features}_{number}",
            version=1,
            entity=card,
            source=source,
            aggregates=[
                aggregate
                for span in spans
                for aggregate in (
                    count(over=span, name=f"payments_{span}"),
                    mean("amount", over=span, name=f"mean_{span}"),
                    maximum("amount", over=span, name=f"max_{span}"),
                    minimum("amount", over=span, name=f"min_{span}"),
                    total("amount", over=span, name=f"sum_{span}"),
                )
            ],
            freshness=Freshness("1d"),
        )
        for number in range(shape.groups)
    ]
    read = [group[aggregate.name] for group in groups for aggregate in group.aggregates]
    label = Label(source, "id", "amount > 100", due="paid_at", lead="1h", horizon="1d")
    return Model(shape.model, [card], read, label)


small, middle, large = model(SMALL), model(MIDDLE), model(LARGE)


def key(entity: int) -> str:
    """Give the key text of an entity's number."""
    return f"card-{entity}"


def values(features: Sequence[Feature], group: int, entities: int) -> Numbers:
    """Give the rows of the first entities: an array (entities, features), NaN where NULL."""
    made = np.empty((entities, len(features)))
    for column, feature in enumerate(features):
        rng = np.random.default_rng([group, column])
        drawn = np.exp(rng.random(entities) * 9)
        made[:, column] = drawn.round() if feature.type is DataType.INTEGER else drawn
    lacking = np.arange(0, entities, _NULLS)
    made[lacking, lacking // _NULLS % len(features)] = np.nan
    return made


def nullable(vectors: Numbers) -> Values:
    """Give vectors with None in the place of NaN."""
    return [[None if value != value else value for value in vector] for vector in vectors.tolist()]


def draws(entities: int, batch: int, count_: int) -> list[list[int]]:
    """Give the entities' numbers of each of so many requests; those beyond the last one have no rows."""
    rng = np.random.default_rng(batch)
    drawn = rng.integers(0, entities, (count_, batch))
    drawn[rng.random((count_, batch)) < 1 / _LACKING] += entities
    return [list(map(int, request)) for request in drawn]


def records(features: Sequence[Feature], made: Numbers, at: int) -> Iterator[dict[str, float | int | None]]:
    """Give each row as `Layout.pack` takes it; `at` is their time in ms."""
    names = [f.name for f in features]
    integers = {f.name for f in features if f.type is DataType.INTEGER}
    for seq, row in enumerate(made.tolist()):
        named: dict[str, float | int | None] = {
            name: None if value != value else int(value) if name in integers else value
            for name, value in zip(names, row, strict=True)
        }
        yield named | {"event_timestamp": at, "seq": seq}
