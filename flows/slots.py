"""Slots of Prefect's global concurrency limits: how many trainings of a model may run at once.

A slot is held by a lease, which its holder renews. A holder that dies renews no more, so its slot comes free.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from uuid import UUID

import httpx
from prefect import get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
from prefect.client.schemas.objects import ConcurrencyLeaseHolder
from prefect.client.schemas.responses import ConcurrencyLimitWithLeaseResponse
from prefect.exceptions import ObjectAlreadyExists

from flows.meanwhile import meanwhile

log = logging.getLogger(__name__)

LEASE_S = 60.0
"""How long a slot stays taken by a holder that has died: the least that Prefect allows."""
_NONE_FREE = {httpx.codes.LOCKED, httpx.codes.UNPROCESSABLE_ENTITY}  # the latter where the limit is 0


def training_limit(model_name: str) -> str:
    """Name the limit of a model's trainings, as Prefect shows it."""
    return f"training-{model_name}"


def take(client: SyncPrefectClient, limit: str, run: UUID) -> UUID | None:
    """Take a slot of a limit for a flow run and give its lease; None where no slot is free.

    A limit that is not there is made, of one slot; one that is there is as its users set it.
    """
    holder = ConcurrencyLeaseHolder(type="flow_run", id=run)
    while True:
        try:
            answer = client.increment_concurrency_slots_with_lease([limit], 1, "concurrency", LEASE_S, holder)
        except httpx.HTTPStatusError as refused:
            if refused.response.status_code in _NONE_FREE:
                return None
            raise
        granted = ConcurrencyLimitWithLeaseResponse.model_validate(answer.json())
        if granted.limits:
            return granted.lease_id
        with suppress(ObjectAlreadyExists):
            client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=limit, limit=1))


@contextmanager
def held(client: SyncPrefectClient, lease: UUID) -> Iterator[None]:
    """Keep a slot by renewing its lease, and give it back in the end."""
    try:
        with meanwhile(partial(_renew, lease), LEASE_S / 4, LEASE_S / 4):
            yield
    finally:
        client.release_concurrency_slots_with_lease(lease)


def _renew(lease: UUID) -> None:
    try:
        with get_client(sync_client=True) as client:
            client.renew_concurrency_lease(lease, LEASE_S)
    except (httpx.HTTPError, RuntimeError) as error:
        # The work goes on: two trainings of a model at once are a waste, and no harm.
        log.warning("the lease %s was not renewed: %s", lease, error)
