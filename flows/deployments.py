"""The work pool and the deployments of flows on a Prefect server: made once, then as their users set them."""

from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import httpx
from prefect import Flow, get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate, DeploymentUpdate, WorkPoolCreate
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound, PrefectException
from prefect.utilities.callables import parameter_schema

from flows.meanwhile import meanwhile
from flows.runs import DEPLOYMENT

POOL_TYPE = "augury"
"""The type of the work pool. No worker of Prefect's own has it, so none takes runs that it cannot execute."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HEARTBEAT_S = 10.0


def ensure_pool(client: SyncPrefectClient, name: str) -> None:
    """Make a work pool where there is none; raises `ValueError` where the name is one of another type."""
    about = "Flows of Augury, executed by the processes of `augury service flows`."
    with suppress(ObjectAlreadyExists):
        client.create_work_pool(WorkPoolCreate(name=name, type=POOL_TYPE, description=about))
    found = client.read_work_pool(name).type
    if found != POOL_TYPE:
        raise ValueError(
            f"the flows' work pool has the type {POOL_TYPE}, for other workers cannot execute them; "
            f"{name} has {found!r}, so nothing was deployed"
        )


def deploy(
    client: SyncPrefectClient,
    flow: Flow[..., Any],
    pool: str,
    queue: str | None = None,
    interval_ms: int | None = None,
) -> UUID:
    """Deploy a flow in a work pool, in its default queue where none is named, and give the deployment's id.

    A deployment that is there keeps what its users may set: the queue, limits, whether it is paused, and all
    schedules. The one of `interval_ms` is changed only where `interval_ms` is another than when it was made.
    """
    placed: dict[str, Any] = {"work_pool_name": pool} | ({} if queue is None else {"work_queue_name": queue})
    schema = parameter_schema(flow).model_dump_for_openapi()
    schedule = _schedule(interval_ms)
    try:
        known = client.read_deployment_by_name(f"{flow.name}/{DEPLOYMENT}")
    except ObjectNotFound:
        return client.create_deployment(
            client.create_flow(flow),
            DEPLOYMENT,
            description=flow.description,
            parameter_openapi_schema=schema,
            enforce_parameter_schema=True,
            schedules=[] if schedule is None else [schedule],
            **placed,
        )
    client.update_deployment(
        known.id,
        DeploymentUpdate(
            description=flow.description,
            parameter_openapi_schema=schema,
            enforce_parameter_schema=True,
            **({} if known.work_pool_name == pool else placed),
        ),
    )
    _replace(client, known, schedule)
    return known.id


def _schedule(interval_ms: int | None) -> DeploymentScheduleCreate | None:
    if interval_ms is None:
        return None
    # Counted from the epoch, so that runs fall on the same moments after every restart.
    every = IntervalSchedule(interval=timedelta(milliseconds=interval_ms), anchor_date=_EPOCH)
    return DeploymentScheduleCreate(schedule=every, slug=f"{DEPLOYMENT}-{interval_ms}-ms")


def _replace(
    client: SyncPrefectClient, known: DeploymentResponse, schedule: DeploymentScheduleCreate | None
) -> None:
    """Put the schedule of the present interval in the place of one of a former interval."""
    made = [s for s in known.schedules if s.slug and s.slug.startswith(f"{DEPLOYMENT}-")]
    if schedule is not None and all(s.slug != schedule.slug for s in made):
        paused = any(not s.active for s in made)
        client.create_deployment_schedules(known.id, [schedule.model_copy(update={"active": not paused})])
    for former in made:
        if schedule is None or former.slug != schedule.slug:
            client.delete_deployment_schedule(known.id, former.id)


def heartbeats(pool: str, worker: str) -> AbstractContextManager[None]:
    """Tell the server meanwhile that a worker of a pool is alive."""
    return meanwhile(partial(_beat, pool, worker), _HEARTBEAT_S)


def _beat(pool: str, worker: str) -> None:
    with (
        suppress(httpx.HTTPError, PrefectException, RuntimeError),
        get_client(sync_client=True) as client,
    ):
        client.send_worker_heartbeat(pool, worker, _HEARTBEAT_S)
