"""Names that fit Kafka topics, Avro fields, SQL columns and Redis keys alike."""

import re

from features.errors import DefinitionError

RESERVED = frozenset(
    {"entity", "event_timestamp", "last_event_time", "seq", "topic", "partition", "offset"}
    | {"ts", "t", "log_time", "log_topic", "log_partition", "log_offset"}
)


def check_name(name: str, place: str) -> None:
    """Refuse a name that one of the engines could not spell. Raises `DefinitionError`."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", name):
        raise DefinitionError(
            place,
            "a name is lower-case letters, digits and _, at most 63",
            "an engine could not spell it",
            name,
        )
    if name in RESERVED:
        raise DefinitionError(
            place, f"{', '.join(sorted(RESERVED))} are columns of every row", "it would hide one", name
        )


def key_text(values: list[str]) -> str:
    r"""Write an entity's key: the values joined by `|`, with `\` and `|` escaped by `\`."""
    return "|".join(v.replace("\\", "\\\\").replace("|", "\\|") for v in values)
