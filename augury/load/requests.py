"""The requests of a load: read from a file, or made from what the online store holds."""

import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
from redis import Redis

from features.layout import row_key
from features.types import DataType, Value
from features.vector import ModelPlan

Body = dict[str, Any]
_MOST_KEYS = 10_000  # of one group, as the store gives them


class RequestsError(ValueError):
    """There is nothing that the doors could be asked; the text has the rule and what broke it."""


def read_requests(path: Path) -> list[Body]:
    """Read requests, one JSON object a line; their ids are given anew. Raises `RequestsError`."""
    found = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        if not line.strip():
            continue
        try:
            body = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise RequestsError(
                f"each line of a file of requests is a JSON object; line {number} of {path} is not: {error}"
            ) from error
        if not isinstance(body, dict) or "model_name" not in body:
            raise RequestsError(
                f"each line of a file of requests is an object with a model_name, so nothing was sent; line "
                f"{number} of {path} is {line[:80]!r}"
            )
        body.pop("request_id", None)
        found.append(body)
    if not found:
        raise RequestsError(f"a file of requests holds at least one, so nothing was sent; {path} holds none")
    return found


def make_requests(
    plan: ModelPlan,
    store: Redis,
    now: int,
    fixed: Mapping[str, Value],
    count: int = 1_000,
    seed: int = 0,
) -> list[Body]:
    """Make requests for a model: entities that the store knows, each drawn alone, and inputs.

    An input is what `fixed` says, else a random value of its type; a timestamp is `now` (ms). Raises
    `RequestsError` where the store has no row of an entity.
    """
    known = {name: entity_keys(plan, store, name) for name in plan.entities}
    unknown = set(fixed) - set(plan.inputs)
    if unknown:
        raise RequestsError(
            f"a value that is given belongs to an input of {plan.name} ({', '.join(plan.inputs) or 'none'}), "
            f"so nothing was sent; it has no {', '.join(sorted(unknown))}"
        )
    dice = random.Random(seed)  # noqa: S311 (nothing here is a secret)
    return [
        {
            "model_name": plan.name,
            "entity_keys": {name: dice.choice(keys) for name, keys in known.items()},
            "inputs": {n: fixed[n] if n in fixed else _drawn(t, now, dice) for n, t in plan.inputs.items()},
        }
        for _ in range(count)
    ]


def entity_keys(plan: ModelPlan, store: Redis, entity: str) -> Sequence[str]:
    """Give key texts of an entity that the store has rows of, at most 10,000; raises `RequestsError`."""
    for group in plan.groups:
        if group.entity == entity:
            prefix = row_key(group.group, group.version, "")
            found = [key.decode().removeprefix(prefix) for key in _scan(store, f"{prefix}*")]
            if found:
                return found
    raise RequestsError(
        f"requests are made from entities that the online store knows, so nothing was sent; it has no row of "
        f"{entity!r} in any group that {plan.name} reads"
    )


def _scan(store: Redis, pattern: str) -> Iterator[bytes]:
    for found, key in enumerate(store.scan_iter(match=pattern, count=1_000)):
        if found == _MOST_KEYS:
            return
        yield key


def _drawn(data_type: DataType, now: int, dice: random.Random) -> Value:
    match data_type:
        case DataType.BOOLEAN:
            return dice.random() < 0.5
        case DataType.TEXT:
            return f"load-{dice.randrange(100)}"
        case DataType.TIMESTAMP:
            return now
        case DataType.INTEGER:
            return dice.randrange(1_000)
        case DataType.DOUBLE:
            return round(dice.uniform(0, 1_000), 3)
