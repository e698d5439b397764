"""The process that runs flows: it takes runs from a work pool of Prefect and executes them, one at a time.

Runs execute in this process, so they start at once and use its collaborators; Prefect's own workers
start a new interpreter for each. More workers, each of its own name, run more at a time.
"""

import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import timedelta
from threading import Event
from typing import Any
from uuid import UUID

import httpx
from prefect import Flow, get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterNextScheduledStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
    WorkQueueFilter,
    WorkQueueFilterName,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.responses import SetStateStatus
from prefect.exceptions import Abort, ObjectNotFound, PrefectException
from prefect.flow_engine import run_flow
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_URL,
    PREFECT_SERVER_ALLOW_EPHEMERAL_MODE,
    temporary_settings,
)
from prefect.states import AwaitingConcurrencySlot, Cancelled, Crashed, Pending, Scheduled

from flows.deployments import deploy, ensure_pool, heartbeats
from flows.failures import Failures, starts_of_its_own
from flows.slots import held, take, training_limit

log = logging.getLogger(__name__)

TRAINING = "training"
"""The work queue of the flows that train: a user may pause it, or give it workers of its own."""
_MOST_STARTS = 3
_LOOK_S = 5.0  # between looks at what it has left, and signs to the server that its queues are served
_SLOT_WAIT = timedelta(seconds=3)
_LEASE = "augury.lease"  # the label of a run that says which lease it holds
_LOST = 3  # times in turn that a slot is taken and nobody has it
_BEGUN = FlowRunFilter(
    state=FlowRunFilterState(
        type=FlowRunFilterStateType(any_=[StateType.PENDING, StateType.RUNNING, StateType.CANCELLING])
    )
)
_Flows = Mapping[UUID, Flow[..., Any]]


class FlowWorker:
    """Serves `flows` as deployments of the Prefect server at `api_url` (with its `/api`), in a work pool.

    `name` is the worker's own and the same after a restart: runs that a worker of this name had begun
    and not finished are started again, three times in all. `auth` is the server's "user:password". A flow of
    `intervals_ms` also runs by itself, without parameters, that often. Of the flows named in `training` one
    run of a `model_name` executes at a time, whichever workers there are. Runs are taken from the `queues`
    of the `pool`, or from all; pool and queue may be paused or limited on the server. `failures` tells of
    runs that end badly, and tries again those that may yet end well.
    """

    def __init__(
        self,
        api_url: str,
        flows: Iterable[Flow[..., Any]],
        name: str,
        *,
        auth: str | None = None,
        pool: str = "augury",
        queues: Iterable[str] = (),
        training: Collection[str] = (),
        poll_s: float = 0.5,
        intervals_ms: Mapping[str, int] | None = None,
        failures: Failures | None = None,
    ) -> None:
        self._settings = server_settings(api_url, auth)
        self._flows = list(flows)
        self._name = name
        self._pool = pool
        self._queues = list(queues) or None
        self._training = training
        self._poll_s = poll_s
        self._intervals_ms = intervals_ms or {}
        self._failures = failures
        self._unheld: Counter[str] = Counter()  # by limit
        self.ended: Counter[tuple[str, str]] = Counter()  # runs since the start, by flow and state

    def run(self, stop: Event, ready: Callable[[], None] = lambda: None) -> None:
        """Deploy, call `ready`, and execute runs until `stop` is set; a run in progress is finished.

        An outage of the server is waited out. Raises `ValueError` where the pool is no pool of Augury's.
        """
        deployments: dict[UUID, Flow[..., Any]] = {}
        with temporary_settings(self._settings), heartbeats(self._pool, self._name):
            while not stop.is_set():
                try:
                    with get_client(sync_client=True) as client:
                        if not deployments:
                            deployments = self._deploy(client)
                            ready()
                        self._work(client, deployments, stop)
                except (httpx.HTTPError, PrefectException, RuntimeError) as error:
                    log.warning("Prefect cannot be reached, or refused; trying again: %s", error)
                    if isinstance(error, ObjectNotFound):  # somebody deleted the pool, or a queue
                        deployments = {}
                    stop.wait(self._poll_s)

    def _deploy(self, client: SyncPrefectClient) -> dict[UUID, Flow[..., Any]]:
        ensure_pool(client, self._pool)
        deployments = {}
        for flow in self._flows:
            queue = TRAINING if flow.name in self._training else None
            interval_ms = self._intervals_ms.get(flow.name)
            deployments[deploy(client, flow, self._pool, queue, interval_ms)] = flow
        return deployments

    def _work(self, client: SyncPrefectClient, deployments: _Flows, stop: Event) -> None:
        looked = -math.inf
        while not stop.is_set():
            if look := time.monotonic() - looked > _LOOK_S:
                # Nothing of this worker's is running here, so what it has begun is orphaned.
                self._recover(client, deployments)
                if self._failures is not None:
                    self._failures.look(client, deployments)
                looked = time.monotonic()
            if not ((look or self._any_due(client)) and self._run_next(client, deployments)):
                stop.wait(self._poll_s)

    def _any_due(self, client: SyncPrefectClient) -> bool:
        """Tell whether a run is due. To ask for runs is a write to Prefect, too much to do twice a second."""
        queues = (
            None if self._queues is None else WorkQueueFilter(name=WorkQueueFilterName(any_=self._queues))
        )
        due = FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
            next_scheduled_start_time=FlowRunFilterNextScheduledStartTime.model_validate(
                {"before_": Scheduled().timestamp}
            ),
        )
        pool = WorkPoolFilter(name=WorkPoolFilterName(any_=[self._pool]))
        found = client.read_flow_runs(
            flow_run_filter=due, work_pool_filter=pool, work_queue_filter=queues, limit=1
        )
        return bool(found)

    def _run_next(self, client: SyncPrefectClient, deployments: _Flows) -> bool:
        """Execute the first due run that can be had, for what is told of others ages; False without one."""
        due = Scheduled().timestamp
        for told in client.get_scheduled_flow_runs_for_work_pool(self._pool, self._queues, due):
            flow = deployments.get(told.flow_run.deployment_id or told.flow_run.id)
            if flow is not None and self._take(client, told.flow_run.id, flow):
                return True
        return False

    def _take(self, client: SyncPrefectClient, run: UUID, flow: Flow[..., Any]) -> bool:
        """Claim a scheduled run and execute it; False where somebody else has it, or it has to wait."""
        claim: State[Any] = Pending(message=self._name)
        if client.set_flow_run_state(run, claim).status is not SetStateStatus.ACCEPT:
            return False
        client.update_flow_run(run, infrastructure_pid=self._name)
        if flow.name not in self._training:
            self._execute(client, run, flow)
            return True
        model_name = str(client.read_flow_run(run).parameters.get("model_name"))
        lease = self._slot(client, model_name, run)
        if lease is None:
            later: State[Any] = AwaitingConcurrencySlot(
                scheduled_time=claim.timestamp + _SLOT_WAIT,
                message=f"another training of {model_name} is on",
            )
            client.set_flow_run_state(run, later)
            self._settle(client, run)
            return False
        client.update_flow_run_labels(run, {_LEASE: str(lease)})
        with held(client, lease):
            self._execute(client, run, flow)
        return True

    def _slot(self, client: SyncPrefectClient, model_name: str, run: UUID) -> UUID | None:
        limit = training_limit(model_name)
        lease = take(client, limit, run)
        if lease is not None or self._trains(client, model_name, run):
            self._unheld.pop(limit, None)
            return lease
        # Its holder is about to give it back; or the server died between giving a slot and writing its lease.
        self._unheld[limit] += 1
        if self._unheld[limit] >= _LOST:
            log.warning("a slot of %s is taken and no run has it; it is free now", limit)
            client.update_global_concurrency_limit(limit, GlobalConcurrencyLimitUpdate(active_slots=0))
        return None

    def _trains(self, client: SyncPrefectClient, model_name: str, but: UUID) -> bool:
        """Tell whether a run of a flow that trains, other than `but`, is on for a model."""
        begun = client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=list(self._training))), flow_run_filter=_BEGUN
        )
        return any(run.id != but and run.parameters.get("model_name") == model_name for run in begun)

    def _execute(self, client: SyncPrefectClient, run: UUID, flow: Flow[..., Any]) -> None:
        claimed = client.read_flow_run(run)
        ended: Any = None
        if claimed.state is not None and claimed.state.is_pending():  # else it was cancelled meanwhile
            log.info("run %s of %s starts", claimed.name, flow.name)
            try:
                ended = run_flow(flow, claimed, return_type="state")
            except Abort as why:
                log.info("run %s of %s ends: %s", claimed.name, flow.name, why)
        settled = self._settle(client, run)
        if settled is None or settled.state is None:
            return
        self.ended[flow.name, settled.state.type.value.lower()] += 1
        if self._failures is not None and ended is not None:
            if settled.state.is_failed():
                self._failures.failed(client, settled, flow.name, ended)
            elif settled.state.is_completed():
                self._failures.ended_well(settled, flow.name)

    def _settle(self, client: SyncPrefectClient, run: UUID) -> FlowRun | None:
        """End a run that this worker has let go of, where it is being cancelled, and give it as it is now.

        None stands for a run that was deleted.
        """
        try:
            let_go = client.read_flow_run(run)
            if let_go.state is not None and let_go.state.is_cancelling():
                cancelled: State[Any] = Cancelled(message=f"worker {self._name} has let go of it")
                client.set_flow_run_state(run, cancelled)
                let_go = let_go.model_copy(update={"state": cancelled})
        except ObjectNotFound:
            return None
        return let_go

    def _recover(self, client: SyncPrefectClient, deployments: _Flows) -> None:
        for run in client.read_flow_runs(
            flow_run_filter=_BEGUN,
            deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=list(deployments))),
        ):
            if run.state is None or self._name != (
                run.state.message if run.state.is_pending() else run.infrastructure_pid
            ):
                continue
            if _LEASE in run.labels:  # no more than it held: a lease that has ended is none
                client.release_concurrency_slots_with_lease(UUID(str(run.labels[_LEASE])))
            if run.state.is_cancelling():
                self._settle(client, run.id)
                continue
            state = self._again(run)
            log.warning("run %s was begun and not finished; now %s", run.name, state.name)
            client.set_flow_run_state(run.id, state, force=True)

    def _again(self, run: FlowRun) -> State[Any]:
        if starts_of_its_own(run) < _MOST_STARTS:
            return Scheduled(message=f"worker {self._name} ended in mid-run")
        return Crashed(message=f"worker {self._name} ended in each of {run.run_count} starts")


def server_settings(api_url: str, auth: str | None) -> dict[Any, Any]:
    """Give the settings with which this process's flows run on a server; `auth` is its "user:password".

    Without its server Prefect would start one of its own, and run flows that nobody sees.
    """
    stated: dict[Any, Any] = {PREFECT_API_URL: api_url, PREFECT_SERVER_ALLOW_EPHEMERAL_MODE: False}
    return stated if auth is None else {**stated, PREFECT_API_AUTH_STRING: auth}
