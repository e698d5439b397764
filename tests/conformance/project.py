"""A project whose groups take every way through an engine: orders, dedups, keys, inputs, all operations."""

from dataclasses import replace

from features import Entity, FeatureGroup, Freshness, Lookup, Source, last, total
from tests.definitions import CATALOGUE, SCHEMA, aggregates, carrier, stand

DEDUP = "1h"
_FRESH = Freshness("1h", 90, "serve")


def _group(entity: Entity, source: Source, *windows: tuple[str, str | None] | None) -> FeatureGroup:
    chosen = []
    for number, window in enumerate(windows):
        over, hop = window or (None, None)
        chosen += aggregates(CATALOGUE, over, hop, f"w{number}")
    return FeatureGroup(
        f"{source.name}_rows",
        version=1,
        entity=entity,
        source=source,
        aggregates=chosen,
        where="not diverted or seats > 2",
        columns={"late": "delay > 15 and seats > 2"},
        derived={"few": "least(count_w0, 2) + 1", "rest": "1 / nullif(count_w0 - few, 0)"},
        freshness=_FRESH,
    )


# Events are applied as they come; duplicates meet in the one partition.
one = Source("one", SCHEMA, "landed_at", "id", "id", dedup=DEDUP)
one_rows = _group(carrier, one, ("1h", "30m"), None)
# An id keeps to a partition, an entity does not: events wait for the slowest.
by_id = Source("by_id", SCHEMA, "landed_at", "id", "id", dedup=DEDUP, partitions=3)
by_id_rows = _group(stand, by_id, ("1h", None), ("6h", None))
# Anything may come in any partition: duplicates are told by a step of their own.
anywhere = Source("anywhere", SCHEMA, "landed_at", "id", "carrier", dedup=DEDUP, partitions=3)
anywhere_rows = _group(carrier, anywhere, ("90m", "30m"), ("2s", "1s"))
# An entity keeps to a partition and no duplicates are told: nothing waits.
at_once = Source("at_once", SCHEMA, "landed_at", "id", "carrier", dedup=None, partitions=2)
at_once_rows = _group(carrier, at_once, ("1h", "1h"), ("1d", None))
# The events of two sources as one, each with what a third one told last.
first, second, third = (replace(one, name=name) for name in ("first", "second", "third"))
both_rows = replace(
    _group(carrier, first, ("1h", "30m")),
    source=[first, second],
    lookups=[
        Lookup(
            third,
            on={"carrier": "carrier", "diverted": "diverted"},
            columns={"their_delay": "delay", "their_gate": "gate", "their_carrier": "carrier"},
        )
    ],
    where="(not diverted or seats > 2) and coalesce(their_gate, 0) <> -2",
    aggregates=[
        *aggregates(CATALOGUE, "6h", None, "w0"),
        last("their_delay", over="1h", hop="30m"),
        last("their_carrier"),
        total("their_gate"),
    ],
)
