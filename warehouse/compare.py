"""Two versions of a group beside each other: their values at the same events, and their distributions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from clickhouse_connect.driver.client import Client

from features.contracts import AppliedContract
from features.types import DataType
from warehouse.dialect import column
from warehouse.events import moment

LEVELS = tuple(round(i / 50, 2) for i in range(51))
"""The shares at which a profile has quantiles."""
_NUMBERS = {DataType.INTEGER, DataType.DOUBLE, DataType.BOOLEAN}
_PLACE = ("topic", "partition", "offset")


@dataclass(frozen=True)
class Profile:
    """How a feature is distributed over a version's event rows; booleans are 0 and 1.

    `mean` and `quantiles` (at `LEVELS`) leave NULL out; they are None and empty for a text, or where all
    is NULL.
    """

    type: DataType
    rows: int
    nulls: int
    distinct: int
    mean: float | None
    quantiles: tuple[float, ...]


@dataclass(frozen=True)
class Contrast:
    """One feature in both versions; a side that lacks it is None, and then only the other is told.

    `same` counts the joined rows with equal values. `mean_difference` (new less old) and `max_difference`
    (absolute) are over joined rows where neither is NULL. `distance` is Kolmogorov and Smirnov's, the
    greatest difference of the two distribution functions, 0 to 1.
    """

    name: str
    before: Profile | None
    after: Profile | None
    same: int | None = None
    mean_difference: float | None = None
    max_difference: float | None = None
    distance: float | None = None


@dataclass(frozen=True)
class Pair:
    """An event at which the versions differ: the features that do, old value and new, as texts."""

    entity: str
    event_timestamp: str
    place: tuple[str, int, int]
    columns: dict[str, tuple[str | None, str | None]]


@dataclass(frozen=True)
class Comparison:
    """Event rows of both versions, joined by entity and place in the log; decay rows are only counted.

    `same` counts the joined rows in which all shared features are equal.
    """

    before: str
    after: str
    joined: int
    same: int
    only_before: int
    only_after: int
    decay_before: int
    decay_after: int
    features: tuple[Contrast, ...]
    first: tuple[Pair, ...]


def compare(
    client: Client,
    before: AppliedContract,
    after: AppliedContract,
    since: int,
    until: int,
    *,
    backfilled: bool = False,
    most: int = 10,
) -> Comparison:
    """Compare the rows with `event_timestamp` in [since, until) (ms): the stream's, or the backfill's."""
    old, new = (_Side.of(contract, since, until, backfilled) for contract in (before, after))
    shared = [name for name in old.types if name in new.types]
    equal = {name: _equal(name, old, new) for name in shared}
    joined = (
        f"FROM ({old.events}) AS s INNER JOIN ({new.events}) AS t ON s.entity = t.entity AND "
        + " AND ".join(f"s.{column(n)} = t.{column(n)}" for n in _PLACE)
    )
    all_equal = " AND ".join(equal.values()) or "1"
    measures = [f"count(), countIf({all_equal})"]
    for name in shared:
        moved = f"{_number('t', name, new)} - {_number('s', name, old)}"
        measures.append(f"tuple(countIf({equal[name]}), avg({moved}), max(abs({moved})))")
    count, same, *measured = client.query(f"SELECT {', '.join(measures)} {joined}").result_rows[0]
    profiles = [_profiles(client, side) for side in (old, new)]
    features = []
    for name in dict.fromkeys((*old.types, *new.types)):
        contrast = Contrast(name, before=profiles[0].get(name), after=profiles[1].get(name))
        if name in equal:
            equals, mean, furthest = measured[shared.index(name)]
            contrast = replace(
                contrast,
                same=equals,
                mean_difference=mean,
                max_difference=furthest,
                distance=_distance(client, name, old, new),
            )
        features.append(contrast)
    rows, decays = zip(*(_counts(client, side) for side in (old, new)), strict=True)
    return Comparison(
        before=before.label,
        after=after.label,
        joined=count,
        same=same,
        only_before=rows[0] - count,
        only_after=rows[1] - count,
        decay_before=decays[0],
        decay_after=decays[1],
        features=tuple(features),
        first=_first(client, f"{joined} WHERE NOT ({all_equal})", shared, most) if same < count else (),
    )


@dataclass(frozen=True)
class _Side:
    """One version's rows in the range, and its features by name."""

    rows: str
    types: dict[str, DataType]

    @staticmethod
    def of(contract: AppliedContract, since: int, until: int, backfilled: bool) -> "_Side":
        kind = "backfill" if backfilled else "features"
        table = column(f"{kind}_{contract.group}_v{contract.version}")
        within = f"event_timestamp >= {moment(since)} AND event_timestamp < {moment(until)}"
        return _Side(f"{table} AS r FINAL WHERE {within}", {f.name: f.type for f in contract.features})

    @property
    def events(self) -> str:
        """The rows that an event made, with its place."""
        place = ", ".join(f"assumeNotNull(r.{column(n)}) AS {column(n)}" for n in _PLACE)
        features = "".join(f", {column(name)}" for name in self.types)
        return f"SELECT entity, event_timestamp, {place}{features} FROM {self.rows} AND isNotNull(r.topic)"

    def numeric(self, name: str) -> bool:
        """Whether the feature can be taken for a number."""
        return self.types[name] in _NUMBERS


def _number(side: str, name: str, of: _Side) -> str:
    value = f"{side}.{column(name)}" if of.numeric(name) else "NULL"
    return f"CAST({value}, 'Nullable(Float64)')"


def _equal(name: str, old: _Side, new: _Side) -> str:
    pair = [f"{side}.{column(name)}" for side in ("s", "t")]
    if old.types[name] != new.types[name]:
        numbers = old.numeric(name) and new.numeric(name)
        pair = (
            [_number("s", name, old), _number("t", name, new)]
            if numbers
            else [f"toString({value})" for value in pair]
        )
    return f"{pair[0]} IS NOT DISTINCT FROM {pair[1]}"


def _counts(client: Client, side: _Side) -> tuple[int, int]:
    """Count event rows and decay rows."""
    found = client.query(f"SELECT countIf(isNotNull(r.topic)), countIf(isNull(r.topic)) FROM {side.rows}")
    return int(found.result_rows[0][0]), int(found.result_rows[0][1])


def _profiles(client: Client, side: _Side) -> dict[str, Profile]:
    levels = ", ".join(map(str, LEVELS))
    measures = ["count()"]
    for name in side.types:
        value, number = f"e.{column(name)}", _number("e", name, side)
        measures.append(
            f"tuple(countIf(isNull({value})), uniqExact({value}), avg({number}), "
            f"quantilesExact({levels})({number}))"
        )
    rows, *measured = client.query(f"SELECT {', '.join(measures)} FROM ({side.events}) AS e").result_rows[0]
    found = {}
    for name, (nulls, distinct, mean, quantiles) in zip(side.types, measured, strict=True):
        there = nulls < rows and side.numeric(name)
        found[name] = Profile(
            side.types[name],
            rows,
            nulls,
            distinct,
            mean if there else None,
            tuple(quantiles) if there else (),
        )
    return found


def _distance(client: Client, name: str, old: _Side, new: _Side) -> float | None:
    """Give the greatest difference of the distribution functions; None where a side has no number."""
    if not (old.numeric(name) and new.numeric(name)):
        return None
    values = " UNION ALL ".join(
        f"SELECT {_number('e', name, side)} AS v, {which} AS side FROM ({side.events}) AS e"
        for which, side in enumerate((old, new))
    )
    found = client.query(
        "SELECT max(abs(below_old / all_old - below_new / all_new)), any(all_old), any(all_new) FROM (SELECT "
        "sum(a) OVER steps AS below_old, sum(a) OVER () AS all_old, "
        "sum(b) OVER steps AS below_new, sum(b) OVER () AS all_new "
        f"FROM (SELECT v, countIf(side = 0) AS a, countIf(side = 1) AS b FROM ({values}) "
        "WHERE isNotNull(v) GROUP BY v) "
        "WINDOW steps AS (ORDER BY v ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW))"
    )
    distance, before, after = found.result_rows[0]
    return float(distance) if before and after else None


def _first(client: Client, differing: str, shared: Sequence[str], most: int) -> tuple[Pair, ...]:
    pairs = "".join(f", toString(s.{column(n)}), toString(t.{column(n)})" for n in shared)
    place = ", ".join(f"s.{column(n)}" for n in _PLACE)
    found = client.query(
        f"SELECT s.entity, toString(s.event_timestamp), {place}{pairs} {differing} "
        f"ORDER BY s.event_timestamp, {place} LIMIT {most}"
    )
    first = []
    for entity, timestamp, topic, partition, offset, *values in found.result_rows:
        sides = zip(shared, values[::2], values[1::2], strict=True)
        differ = {name: (old, new) for name, old, new in sides if old != new}
        first.append(Pair(entity, timestamp, (topic, partition, offset), differ))
    return tuple(first)
