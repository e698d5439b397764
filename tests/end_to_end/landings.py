"""A small project with every operation: keys that keep to a partition and keys that do not."""

from features import FeatureGroup, Freshness, Lookup, Source, count, last, mean, minimum, total
from tests.definitions import CATALOGUE, SCHEMA, aggregates, carrier, stand

_FRESH = Freshness("1h", 90, "serve")

# One event id, one partition.
by_id = Source("landed_by_id", SCHEMA, "landed_at", "id", "id", dedup="1h", partitions=2)
# An event id may come in either partition.
by_carrier = Source("landed_by_carrier", SCHEMA, "landed_at", "id", "carrier", dedup="1h", partitions=2)
# No duplicates are told, so that nothing waits.
at_once = Source("landed_at_once", SCHEMA, "landed_at", "id", "carrier", dedup=None, partitions=2)

stand_landings = FeatureGroup(
    "stand_landings",
    version=1,
    entity=stand,
    source=by_id,
    where="not diverted or delay > 0.5",
    columns={"late": "delay > 15 and seats > 2"},
    aggregates=[
        *aggregates(CATALOGUE, "1h", "30m"),
        *aggregates(CATALOGUE, "6h"),
        *aggregates(CATALOGUE, None, suffix="ever"),
    ],
    derived={
        "pace": "count_1h * 6 / nullif(count_6h, 0)",
        "busy": "pace > 1.5 and coalesce(carrier_last_1h, 'it''s none') <> ''",
    },
    freshness=_FRESH,
)
airline_landings = FeatureGroup(
    "airline_landings",
    version=3,
    entity=carrier,
    source=by_carrier,
    columns={"late": "delay > 15 and seats > 2"},
    aggregates=aggregates(CATALOGUE, "90m", "30m"),
    freshness=_FRESH,
)
airline_now = FeatureGroup(
    "airline_now",
    version=1,
    entity=carrier,
    source=at_once,
    aggregates=[count(over="2s", hop="1s"), mean("delay", over="6h"), total("seats"), minimum("seats")],
    freshness=_FRESH,
)
# The events of two sources as one, each with what the third one told last.
gathered = FeatureGroup(
    "gathered",
    version=1,
    entity=carrier,
    source=[by_id, by_carrier],
    lookups=[
        Lookup(
            at_once,
            on={"gate": "gate", "diverted": "diverted"},
            columns={"before_by": "carrier", "before": "delay"},
        )
    ],
    where="before_by is null or not diverted",
    aggregates=[count(over="1h"), last("before_by"), mean("before", over="6h"), total("delay", over="90m")],
    freshness=_FRESH,
)
