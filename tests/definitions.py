"""Small definitions that tests share: one source, groups over it, and a model."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from features import (
    DataType,
    Entity,
    FeatureGroup,
    Freshness,
    Label,
    Model,
    Source,
    count,
    count_distinct,
    decayed_count,
    decayed_total,
    first,
    last,
    maximum,
    mean,
    minimum,
    mode,
    mode_share,
    quantile,
    share,
    skewness,
    stddev,
    total,
    variance,
)
from features.aggregates import Aggregate

SCHEMA = Path(__file__).parent / "golden" / "landed.avsc"

carrier = Entity("carrier", meaning="An airline")
gate = Entity("gate", meaning="A gate, at which several airlines land")
stand = Entity("stand", keys=("carrier", "gate", "diverted"), meaning="An airline at a gate")


def landed(partitions: int = 1, dedup: str = "1h", schema: Path = SCHEMA) -> Source:
    """Landings: an id, an event time, keys, numbers and a boolean."""
    return Source("landed", schema, "landed_at", "id", "id", dedup=dedup, partitions=partitions)


def _decayed(decayed: Callable[..., Aggregate]) -> Callable[..., Aggregate]:
    """Take the window that the others are over, and leave it: what decays has none."""
    return lambda *of, name, **_window: decayed(*of, name=name)


# Every operation on every type of column that it takes.
CATALOGUE: dict[str, tuple[Callable[..., Aggregate], tuple[str, ...]]] = {
    "delay_sum": (total, ("delay",)),
    "delay_mean": (mean, ("delay",)),
    "delay_min": (minimum, ("delay",)),
    "delay_max": (maximum, ("delay",)),
    "delay_last": (last, ("delay",)),
    "delay_count": (count, ("delay",)),
    "seats_sum": (total, ("seats",)),
    "seats_mean": (mean, ("seats",)),
    "seats_min": (minimum, ("seats",)),
    "seats_max": (maximum, ("seats",)),
    "seats_last": (last, ("seats",)),
    "late_share": (share, ("late",)),
    "late_last": (last, ("late",)),
    "late_count": (count, ("late",)),
    "carrier_last": (last, ("carrier",)),
    "count": (count, ()),
    "delay_variance": (variance, ("delay",)),
    "delay_stddev": (stddev, ("delay",)),
    "delay_skewness": (skewness, ("delay",)),
    "seats_variance": (variance, ("seats",)),
    "seats_stddev": (stddev, ("seats",)),
    "seats_skewness": (skewness, ("seats",)),
    "delay_first": (first, ("delay",)),
    "seats_first": (first, ("seats",)),
    "late_first": (first, ("late",)),
    "carrier_first": (first, ("carrier",)),
    "delay_last2": (last, ("delay", 2)),
    "late_last3": (last, ("late", 3)),
    "carrier_last2": (last, ("carrier", 2)),
    "seats_last2_distinct": (partial(last, distinct=True), ("seats", 2)),
    "carrier_last2_distinct": (partial(last, distinct=True), ("carrier", 2)),
    "delay_count_distinct": (count_distinct, ("delay",)),
    "seats_count_distinct": (partial(count_distinct, limit=2), ("seats",)),
    "late_count_distinct": (count_distinct, ("late",)),
    "carrier_count_distinct": (count_distinct, ("carrier",)),
    "delay_mode": (mode, ("delay",)),
    "seats_mode": (partial(mode, limit=2), ("seats",)),
    "late_mode": (mode, ("late",)),
    "carrier_mode": (mode, ("carrier",)),
    "delay_mode_share": (mode_share, ("delay",)),
    "carrier_mode_share": (mode_share, ("carrier",)),
    "delay_q50": (quantile, ("delay", 0.5)),
    "seats_q90": (quantile, ("seats", 0.9)),
    "seats_q0": (partial(quantile, limit=3), ("seats", 0.0)),
    "late_delay_sum": (partial(total, where="late"), ("delay",)),
    "seats_decayed_count": (_decayed(decayed_count), ("1h", "seats")),
    "decayed_count": (_decayed(decayed_count), ("1m",)),
    "delay_decayed": (_decayed(decayed_total), ("delay", "1h")),
    "seats_decayed": (_decayed(decayed_total), ("seats", "7s")),
    "late_delay_decayed": (_decayed(partial(decayed_total, where="late")), ("delay", "1d")),
    "diverted_count": (partial(count, where="diverted and delay > 0"), ()),
}


def aggregates(
    names: Iterable[str], over: str | None, hop: str | None = None, suffix: str = ""
) -> list[Aggregate]:
    """Take some of the catalogue over one window, or over the entity's lifetime."""
    chosen = ((name, *CATALOGUE[name]) for name in names)
    return [f(*of, over=over, hop=hop, name=f"{name}_{suffix or over}") for name, f, of in chosen]


# One partition and no decoration: the smallest contract.
plain = FeatureGroup(
    "plain",
    version=1,
    entity=carrier,
    source=landed(),
    aggregates=[count(over="1h"), mean("delay", over="1h")],
)
# Several partitions, a key of three columns, NULLs, every operation, derived features of derived features.
whole = FeatureGroup(
    "whole",
    version=2,
    entity=stand,
    source=landed(partitions=3),
    where="not diverted or delay > 0.5",
    columns={"late": "delay > 15 and seats > 2", "long_late": "late and delay > 120"},
    aggregates=[
        *aggregates(CATALOGUE, "1h", "30m"),
        mean("delay", over="6h"),
        last("delay", over="6h"),
        count(over="6h"),
        share("long_late", over="1d", hop="1h"),
        minimum("seats"),
        last("carrier"),
    ],
    derived={
        "pace": "count_1h * 6 / nullif(count_6h, 0)",
        "busy": "pace > 1.5 and coalesce(carrier_last_1h, 'it''s none') <> ''",
        "near": "least(delay_last_6h, delay_mean_6h, 1e6)",
    },
    freshness=Freshness("1h", 90, "refuse"),
    owner="operations",
    meaning="Everything a group can state, über alles",
)
# What never leaves a window: there is no decay.
lifetime = FeatureGroup(
    "lifetime",
    version=1,
    entity=carrier,
    source=landed(partitions=2),
    where="carrier is not null",
    columns={"hour": "extract(hour from due at time zone 'America/New_York')"},
    aggregates=[count(), total("seats"), maximum("delay"), last("hour"), last("gate")],
)
GROUPS = (plain, whole, lifetime)

late = Model(
    "late",
    entities=[carrier, stand],
    features=[plain["count_1h"], whole["pace"], whole["busy"]],
    inputs={"due": DataType.TIMESTAMP, "seats": DataType.INTEGER},
    on_demand={"hour": "extract(hour from due)", "evening": "hour >= 18 or seats in (1, 2)"},
    label=Label(landed(), "id", "delay > 15", due="due", lead="2h", horizon="1d", where="not diverted"),
)
