"""Runs that end badly: of each somebody is told, and what an outage may have ended is tried again."""

import logging
import time
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
from prefect.client.schemas.sorting import FlowRunSort
from prefect.states import AwaitingRetry, Scheduled

from features.alerts import Alert, Playbook, incident
from flows.contracts import ResolveAlerts, SendAlert
from flows.steps import is_final, sent_its_alert

log = logging.getLogger(__name__)

RUN = "run"
"""The kind of alerts of runs that ended badly."""
AGAIN_S = (600.0, 3_600.0, 21_600.0)
"""How long a run that has failed waits before each further try."""
# Labels of a run: of which of its starts somebody was told, how often it was put off, after how many starts,
# and which start was refused.
_TOLD, _TRIES, _SINCE, _REFUSED = "augury.told", "augury.tries", "augury.since", "augury.refused"
_BEHIND = timedelta(days=2)  # of what ended longer ago nobody is told anew
_QUIET_S = 60.0  # while the log does not take alerts
_TEXT = 2_000


class Failures:
    """Tells of runs that ended badly by alerts that `send` takes, until a run of the same ends well.

    `clock` gives the log's time (ms); where it cannot be asked, the run's own end stands for it. `owner`
    gives whose the model of a run is, if it has one. A failed run that nothing has refused is put off by each
    of `again_s` in turn; `grace_s` is what a worker has to do that itself.
    """

    def __init__(
        self,
        send: SendAlert,
        resolve: ResolveAlerts,
        clock: Callable[[], int],
        owner: Callable[[str | None], str] = lambda _model_name: "",
        again_s: Sequence[float] = AGAIN_S,
        grace_s: float = 30.0,
    ) -> None:
        self._send = send
        self._resolve = resolve
        self._clock = clock
        self._owner = owner
        self._again_s = again_s
        self._grace = timedelta(seconds=grace_s)
        self._quiet_until = 0.0

    def look(self, client: SyncPrefectClient, deployments: Mapping[UUID, Flow[..., Any]]) -> None:
        """Tell of runs of the deployments that ended badly and of which nobody was told, and put them off.

        The worker of a run does that itself, unless it died: it has `grace_s` for it.
        """
        badly = FlowRunFilterState(
            type=FlowRunFilterStateType(any_=[StateType.FAILED, StateType.CRASHED]),
        )
        now = Scheduled().timestamp
        ended = {"after_": now - _BEHIND, "before_": now - self._grace}
        for run in client.read_flow_runs(
            flow_run_filter=FlowRunFilter(state=badly, end_time=FlowRunFilterEndTime.model_validate(ended)),
            deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=list(deployments))),
            sort=FlowRunSort.END_TIME_DESC,
        ):
            if run.deployment_id is None or _labelled(run, _REFUSED, -1) == run.run_count:
                continue
            if _labelled(run, _TOLD, -1) != run.run_count and not self._tell(
                client, run, deployments[run.deployment_id].name
            ):
                return
            if run.state is not None and run.state.is_failed():
                self._put_off(client, run)

    def failed(self, client: SyncPrefectClient, run: FlowRun, flow: str, ended: State[Any]) -> None:
        """Tell of a run that has failed here with the state `ended`, and put it off where that may help.

        A refusal is not tried again, nor told of where it has sent an alert of its own.
        """
        refused = is_final(ended)
        if refused:
            client.update_flow_run_labels(run.id, {_REFUSED: run.run_count})
        if not sent_its_alert(ended):
            self._tell(client, run, flow)
        if not refused:
            self._put_off(client, run)

    def _put_off(self, client: SyncPrefectClient, run: FlowRun) -> None:
        """Let a run wait for its next try; not what a schedule has asked for, for that asks again."""
        tries = _labelled(run, _TRIES)
        if run.auto_scheduled or tries >= len(self._again_s):
            return
        client.update_flow_run_labels(run.id, {_TRIES: tries + 1, _SINCE: run.run_count})
        wait = timedelta(seconds=self._again_s[tries])
        later: State[Any] = AwaitingRetry(
            scheduled_time=Scheduled().timestamp + wait, message=f"failed; tried again in {wait}"
        )
        client.set_flow_run_state(run.id, later, force=True)
        log.warning("run %s has failed and is tried again in %s", run.name, wait)

    def ended_well(self, run: FlowRun, flow: str) -> None:
        """Resolve what was told of runs of the same flow and subject."""
        of_run = {"kind": RUN, "policy": f"flows/{flow}", "subject": _subject(flow, run)}
        try:
            self._resolve(incident(of_run), f"run {run.name} of {flow} has ended well", self._now(run))
        except Exception as error:  # an outage; the next run that ends well resolves it, or a person
            log.warning("alerts of %s stay open for now: %s", flow, error)

    def _tell(self, client: SyncPrefectClient, run: FlowRun, flow: str) -> bool:
        """Send the alert of a run; False where the log does not take it now, so that it is told later."""
        if time.monotonic() < self._quiet_until:
            return False
        alert = of(flow, run, self._now(run), self._owner(_model_name(run)))
        try:
            self._send(alert.record)
        except Exception as error:
            log.warning("of the run %s nobody can be told yet: %s", run.name, error)
            self._quiet_until = time.monotonic() + _QUIET_S
            return False
        client.update_flow_run_labels(run.id, {_TOLD: run.run_count})
        return True

    def _now(self, run: FlowRun) -> int:
        try:
            return self._clock()
        except Exception as error:  # such as the very outage that the run failed for
            log.debug("the log's clock cannot be asked: %s", error)
        ended = run.end_time or Scheduled().timestamp
        return int(ended.timestamp() * 1000)


def starts_of_its_own(run: FlowRun) -> int:
    """Count the starts of a run since it last was put off, or began."""
    return run.run_count - _labelled(run, _SINCE)


def _labelled(run: FlowRun, label: str, otherwise: int = 0) -> int:
    return int(str(run.labels.get(label, otherwise)))


def of(flow: str, run: FlowRun, at: int, owner: str) -> Alert:
    """Give the alert of a run that ended badly; its subject is the run's model, policy or flow."""
    model_name = _model_name(run)
    state = run.state
    return Alert(
        alert_id=f"{RUN}/{run.id}/{run.run_count}",
        policy=f"flows/{flow}",
        kind=RUN,
        subject=_subject(flow, run),
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
        playbook=Playbook.FAILED_RUN,
        owner=owner,
        model_name=model_name,
    )


def _subject(flow: str, run: FlowRun) -> str:
    return str(_model_name(run) or run.parameters.get("policy") or flow)


def _model_name(run: FlowRun) -> str | None:
    named = run.parameters.get("model_name")
    return None if named is None else str(named)
