"""Runs that end badly: of each somebody is told, and what an outage may have ended is tried again."""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from prefect import Flow
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterEndTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.states import AwaitingRetry, Scheduled

from features.alerts import Alert, incident
from flows.contracts import ResolveAlerts, SendAlert
from flows.steps import is_final, sent_its_alert

log = logging.getLogger(__name__)

RUN = "run"
"""The kind of alerts of runs that ended badly."""
AGAIN_S = (600.0, 3_600.0, 21_600.0)
"""How long a run that has failed waits before each further try."""
_TOLD = "augury.told"  # the label of a run that says of which of its starts somebody was told
_TRIES = "augury.tries"  # and how often it was put off
_BEHIND = timedelta(days=2)  # of what ended longer ago nobody is told anew
_TEXT = 2_000


class Failures:
    """Tells of runs that ended badly by alerts that `send` takes, until a run of the same ends well.

    `clock` gives the log's time (ms); where it cannot be asked, the run's own end stands for it. `owner`
    gives whose the model of a run is, if it has one. A failed run that nothing has refused is put off by each
    of `again_s` in turn.
    """

    def __init__(
        self,
        send: SendAlert,
        resolve: ResolveAlerts,
        clock: Callable[[], int],
        owner: Callable[[str | None], str] = lambda _model_name: "",
        again_s: Sequence[float] = AGAIN_S,
    ) -> None:
        self._send = send
        self._resolve = resolve
        self._clock = clock
        self._owner = owner
        self._again_s = again_s

    def look(self, client: SyncPrefectClient, deployments: Mapping[UUID, Flow[..., Any]]) -> None:
        """Tell of all runs of the deployments that ended badly and of which nobody was told."""
        badly = FlowRunFilterState(
            type=FlowRunFilterStateType(any_=[StateType.FAILED, StateType.CRASHED]),
        )
        since = FlowRunFilterEndTime.model_validate({"after_": Scheduled().timestamp - _BEHIND})
        for run in client.read_flow_runs(
            flow_run_filter=FlowRunFilter(state=badly, end_time=since),
            deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=list(deployments))),
        ):
            if run.deployment_id is not None:
                self._tell(client, run, deployments[run.deployment_id].name)

    def failed(self, client: SyncPrefectClient, run: FlowRun, flow: str, ended: State[Any]) -> None:
        """Tell of a run that has failed here with the state `ended`, and put it off where that may help.

        A refusal is not tried again, nor told of where it has sent an alert of its own; what a schedule has
        asked for is not put off either, for the schedule asks again.
        """
        if sent_its_alert(ended):
            client.update_flow_run_labels(run.id, {_TOLD: str(run.run_count)})
        else:
            self._tell(client, run, flow)
        tries = int(str(run.labels.get(_TRIES, 0)))
        if run.auto_scheduled or tries >= len(self._again_s) or is_final(ended):
            return
        client.update_flow_run_labels(run.id, {_TRIES: tries + 1})
        wait = timedelta(seconds=self._again_s[tries])
        later: State[Any] = AwaitingRetry(
            scheduled_time=Scheduled().timestamp + wait, message=f"failed; tried again in {wait}"
        )
        client.set_flow_run_state(run.id, later, force=True)
        log.warning("run %s of %s has failed and is tried again in %s", run.name, flow, wait)

    def ended_well(self, run: FlowRun, flow: str) -> None:
        """Resolve what was told of runs of the same flow and subject."""
        alert = of(flow, run, 0, "")
        try:
            self._resolve(incident(alert.record), f"run {run.name} of {flow} has ended well", self._now(run))
        except Exception as error:  # an outage; the next run that ends well resolves it, or a person
            log.warning("alerts of %s stay open for now: %s", flow, error)

    def _tell(self, client: SyncPrefectClient, run: FlowRun, flow: str) -> None:
        told = str(run.run_count)
        if str(run.labels.get(_TOLD)) == told:
            return
        alert = of(flow, run, self._now(run), self._owner(_model_name(run)))
        try:
            self._send(alert.record)
        except Exception as error:  # an outage of the log: the next look tells it
            log.warning("of the run %s nobody can be told yet: %s", run.name, error)
            return
        client.update_flow_run_labels(run.id, {_TOLD: told})

    def _now(self, run: FlowRun) -> int:
        try:
            return self._clock()
        except Exception as error:  # such as the very outage that the run failed for
            log.debug("the log's clock cannot be asked: %s", error)
        ended = run.end_time or Scheduled().timestamp
        return int(ended.timestamp() * 1000)


def starts_of_its_own(run: FlowRun) -> int:
    """Count the starts of a run since it last was put off, or began."""
    return run.run_count - int(str(run.labels.get(_TRIES, 0)))


def of(flow: str, run: FlowRun, at: int, owner: str) -> Alert:
    """Give the alert of a run that ended badly; its subject is the run's model, policy or flow."""
    model_name = _model_name(run)
    state = run.state
    return Alert(
        alert_id=f"{RUN}/{run.id}/{run.run_count}",
        policy=f"flows/{flow}",
        kind=RUN,
        subject=str(model_name or run.parameters.get("policy") or flow),
        severity="critical",
        evidence={
            "flow": flow,
            "run": run.name,
            "run_id": str(run.id),
            "state": None if state is None else state.name,
            "message": "" if state is None else (state.message or "")[:_TEXT],
            "parameters": run.parameters,
            "starts": run.run_count,
        },
        at=at,
        playbook="failed-run",
        owner=owner,
        model_name=model_name,
    )


def _model_name(run: FlowRun) -> str | None:
    named = run.parameters.get("model_name")
    return None if named is None else str(named)
