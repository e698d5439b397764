"""Cutting a feature group over to another version, and back, from settings."""

from contextlib import suppress

import httpx
from confluent_kafka import KafkaException
from redis.exceptions import RedisError

from augury.clients import online_store, warehouse
from augury.models import publish, registry
from augury.settings import Settings
from features.contracts import AppliedContract
from features.cutover import target_of
from features.layout import clock_key, unpack_clock
from features.windows import spell
from inference.registry import ConflictError, Cutover
from schemas.log import UndeliveredError
from warehouse.contracts import applied


def cut_over(settings: Settings, group: str, before: int, after: int, *, by: str, why: str) -> None:
    """Let version `after` be read wherever a model's signature names `before`, and tell all who serve.

    Raises `ConflictError` where a version was not applied, they describe other entities, a registered model
    reads what `after` does not have, or its stream lags that of `before`.
    """
    client = warehouse(settings)
    try:
        contracts = {c.version: c for c in applied(client) if c.group == group}
    finally:
        client.close()
    for version in (before, after):
        if version not in contracts:
            known = ", ".join(c.label for c in contracts.values()) or "none"
            raise ConflictError(
                f"{group}: a cut-over is between versions that were applied ({known}); "
                f"{group}.v{version} was not, so nothing was changed"
            )
    if before == after:
        raise ConflictError(
            f"{group}: a cut-over leads to another version; `augury rollback --group` leads back"
        )
    _same_entity(contracts[before], contracts[after])
    target = target_of(contracts[after])
    _healthy(_clocks(settings, group, before, after), group, before, after, target.expected_max_lag_ms)
    held = registry(settings)
    held.cutovers.cut_over(before, target, by=by, why=why)
    publish(settings, held)


def roll_back(settings: Settings, group: str, *, by: str, why: str) -> tuple[Cutover, int | None]:
    """Take back the group's last cut-over, and tell all who serve; healthy or not, for it is the way out.

    Gives the step, and the clock (ms) of the version that is read now, None where its stream shows none or
    the online store is down.
    Raises `ConflictError` where no cut-over holds.
    """
    held = registry(settings)
    step = held.cutovers.roll_back(group, by=by, why=why)
    reads = step.version if step.target is None else step.target.version
    # the rollback holds, whoever is down: its event is in the outbox, and those who serve look by themselves
    with suppress(KafkaException, UndeliveredError, httpx.HTTPError):
        publish(settings, held)
    clock = None
    with suppress(RedisError):
        (clock,) = _clocks(settings, group, reads)
    return step, clock


def _same_entity(before: AppliedContract, after: AppliedContract) -> None:
    entities = [contract.stated["entity"] for contract in (before, after)]
    if entities[0] != entities[1]:
        raise ConflictError(
            f"{before.group}: a version is read in the place of another only for the same entity, or no row "
            f"would be found ({before.label} is of {entities[0]}, {after.label} of {entities[1]})"
        )


def _clocks(settings: Settings, group: str, *versions: int) -> list[int | None]:
    with online_store(settings) as redis:
        held = [redis.get(clock_key(group, version)) for version in versions]
    return [unpack_clock(value) if isinstance(value, bytes) else None for value in held]


def _healthy(clocks: list[int | None], group: str, before: int, after: int, allowed: int) -> None:
    """Refuse a version whose stream does not keep up with the one that it is to replace."""
    old, new = clocks
    rule = (
        f"{group}: a version is cut over to when its stream is at most {spell(allowed)} behind the old one's"
    )
    if new is None:
        raise ConflictError(f"{rule}; v{after} shows no clock, so it would not serve anything")
    if old is not None and old - new > allowed:
        raise ConflictError(
            f"{rule}; v{after} is {old - new} ms behind v{before}, so it would serve stale values"
        )
