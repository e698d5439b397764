"""Hand-over from history to stream: what a job is given that begins at a cut in the log's clock.

The group's events before the cut are its seed. The job applies them without writing their rows, which are the
backfill's, and goes on from the cut with the events of the log.
"""

from dataclasses import dataclass
from typing import Any

from features.plan import GroupPlan
from features.types import DataType, to_avro


class HandoverError(ValueError):
    """A group cannot be handed over from history to stream."""


@dataclass(frozen=True)
class Handover:
    """The cut (T in ms), and the topic that holds the events before it."""

    cut: int
    topic: str


def check_handover(plan: GroupPlan) -> None:
    """Raise `HandoverError` for a group that is only built from the beginning of its log."""
    if plan.lookups:
        named = ", ".join(lookup.source.name for lookup in plan.lookups)
        raise HandoverError(
            "a group with lookups reads its log from the beginning, for a seed does not tell what they had "
            f"found before the cut; {plan.label} looks up {named}: apply it without --from-history"
        )


def seed_types(plan: GroupPlan) -> dict[str, DataType]:
    """Give the columns of a seed's record: an event as the windows take it, its times in ms."""
    integer, text = DataType.INTEGER, DataType.TEXT
    place = {
        "entity": text,
        "ts": integer,
        "t": integer,
        "topic": text,
        "partition": integer,
        "offset": integer,
    }
    types = {f"a{i}": argument.type for i, argument in enumerate(plan.arguments)}
    return place | {name: integer if t is DataType.TIMESTAMP else t for name, t in types.items()}


def seed_schema(plan: GroupPlan) -> dict[str, Any]:
    """Generate the Avro schema of the seed's records."""
    types = {name: to_avro(t) for name, t in seed_types(plan).items()} | {"partition": "int"}
    return {
        "type": "record",
        "name": f"{plan.name}_v{plan.version}",
        "namespace": "augury.seeds",
        "fields": [{"name": name, "type": ["null", t], "default": None} for name, t in types.items()],
    }
