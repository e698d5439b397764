"""A project for live mode: a window of seconds on a source that falls silent."""

from features import FeatureGroup, Freshness, Source, count, last
from tests.definitions import SCHEMA, carrier

quiet = Source("quiet", SCHEMA, "landed_at", "id", "carrier", partitions=2)
quiet_rows = FeatureGroup(
    "quiet_rows",
    version=1,
    entity=carrier,
    source=quiet,
    aggregates=[count(over="2s", hop="1s"), last("seats")],
    freshness=Freshness("1h", 90, "serve"),
)
