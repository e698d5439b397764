"""The process that runs flows: it takes scheduled runs from Prefect and executes them, one at a time.

Runs execute in this process, so they start at once and use its collaborators; Prefect's own runner
starts a new interpreter for each. More workers, each of its own name, run more at a time.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any
from uuid import UUID

import httpx
from prefect import Flow, get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import State, StateType
from prefect.client.schemas.responses import SetStateStatus
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.exceptions import PrefectException
from prefect.flow_engine import run_flow
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_URL,
    PREFECT_SERVER_ALLOW_EPHEMERAL_MODE,
    temporary_settings,
)
from prefect.states import Crashed, Pending, Scheduled
from prefect.utilities.callables import parameter_schema

from flows.runs import DEPLOYMENT

log = logging.getLogger(__name__)

_MOST_STARTS = 3
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_Flows = Mapping[UUID, Flow[..., Any]]


class FlowWorker:
    """Serves `flows` as deployments of the Prefect server at `api_url` (with its `/api`).

    `name` is the worker's own and the same after a restart: runs that a worker of this name had begun
    and not finished are started again, three times in all. `auth` is the server's "user:password". A flow of
    `intervals_ms` also runs by itself, without parameters, that often.
    """

    def __init__(
        self,
        api_url: str,
        flows: Iterable[Flow[..., Any]],
        name: str,
        *,
        auth: str | None = None,
        poll_s: float = 0.5,
        intervals_ms: Mapping[str, int] | None = None,
    ) -> None:
        self._settings = server_settings(api_url, auth)
        self._flows = list(flows)
        self._name = name
        self._poll_s = poll_s
        self._intervals_ms = intervals_ms or {}
        self.ended: Counter[tuple[str, str]] = Counter()  # runs since the start, by flow and state

    def run(self, stop: Event, ready: Callable[[], None] = lambda: None) -> None:
        """Deploy, call `ready`, and execute runs until `stop` is set; a run in progress is finished.

        An outage of the server is waited out.
        """
        with temporary_settings(self._settings):
            deployments: dict[UUID, Flow[..., Any]] = {}
            while not stop.is_set():
                try:
                    with get_client(sync_client=True) as client:
                        if not deployments:
                            deployments = {
                                _deploy(client, flow, self._intervals_ms.get(flow.name)): flow
                                for flow in self._flows
                            }
                            ready()
                        self._work(client, deployments, stop)
                except (httpx.HTTPError, PrefectException, RuntimeError) as error:
                    log.warning("Prefect cannot be reached, or refused; trying again: %s", error)
                    stop.wait(self._poll_s)

    def _work(self, client: SyncPrefectClient, deployments: _Flows, stop: Event) -> None:
        # Nothing of this worker's is running here, so what it has begun is orphaned.
        self._recover(client, deployments)
        while not stop.is_set():
            scheduled = client.get_scheduled_flow_runs_for_deployments(list(deployments), limit=10)
            for run in scheduled:
                if stop.is_set() or not self._take(client, run.id):
                    continue
                claimed = client.read_flow_run(run.id)
                flow = deployments[claimed.deployment_id or run.id]
                log.info("run %s of %s starts", claimed.name, flow.name)
                state = run_flow(flow, claimed, return_type="state")
                assert isinstance(state, State)  # it is no coroutine, for no flow here is
                self.ended[flow.name, state.type.value.lower()] += 1
            if not scheduled:
                stop.wait(self._poll_s)

    def _take(self, client: SyncPrefectClient, run: UUID) -> bool:
        """Claim a scheduled run; False where somebody else has it."""
        claim: State[Any] = Pending(message=self._name)
        if client.set_flow_run_state(run, claim).status is not SetStateStatus.ACCEPT:
            return False
        client.update_flow_run(run, infrastructure_pid=self._name)
        return True

    def _recover(self, client: SyncPrefectClient, deployments: _Flows) -> None:
        in_progress = FlowRunFilterStateType(any_=[StateType.PENDING, StateType.RUNNING])
        begun = client.read_flow_runs(
            flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=in_progress)),
            deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=list(deployments))),
        )
        for run in begun:
            message = None if run.state is None else run.state.message
            if self._name not in (run.infrastructure_pid, message):
                continue
            state: State[Any]
            if run.run_count < _MOST_STARTS:
                state = Scheduled(message=f"worker {self._name} ended in mid-run")
            else:
                state = Crashed(message=f"worker {self._name} ended in each of {run.run_count} starts")
            log.warning("run %s was begun and not finished; now %s", run.name, state.name)
            client.set_flow_run_state(run.id, state, force=True)


def server_settings(api_url: str, auth: str | None) -> dict[Any, Any]:
    """Give the settings with which this process's flows run on a server; `auth` is its "user:password".

    Without its server Prefect would start one of its own, and run flows that nobody sees.
    """
    stated: dict[Any, Any] = {PREFECT_API_URL: api_url, PREFECT_SERVER_ALLOW_EPHEMERAL_MODE: False}
    return stated if auth is None else {**stated, PREFECT_API_AUTH_STRING: auth}


def _deploy(client: SyncPrefectClient, flow: Flow[..., Any], interval_ms: int | None) -> UUID:
    schedules = []
    if interval_ms is not None:
        # Counted from the epoch, so that runs fall on the same moments after every restart.
        every = IntervalSchedule(interval=timedelta(milliseconds=interval_ms), anchor_date=_EPOCH)
        schedules = [DeploymentScheduleCreate(schedule=every)]
    return client.create_deployment(
        client.create_flow(flow),
        DEPLOYMENT,
        description=flow.description,
        parameter_openapi_schema=parameter_schema(flow).model_dump_for_openapi(),
        enforce_parameter_schema=True,
        schedules=schedules,
    )
