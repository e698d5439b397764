"""Pool, deployments and schedules on a real Prefect server, and what a user sets there."""

import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from prefect import Flow, flow, get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule
from prefect.settings import temporary_settings

from flows.deployments import POOL_TYPE, deploy, ensure_pool
from flows.parameters import Count, Moment
from flows.runs import PrefectRuns, RefusedRunError
from flows.worker import FlowWorker, server_settings
from tests.flows.test_bridge import eventually
from tests.flows.test_worker import state, working

pytestmark = pytest.mark.stack
_HOUR = 3_600_000


@pytest.fixture
def client(stack: Any) -> Iterator[SyncPrefectClient]:
    with (
        temporary_settings(server_settings(stack.settings.prefect_api_url, None)),
        get_client(sync_client=True) as client,
    ):
        yield client


@pytest.fixture
def nothing() -> Flow[..., Any]:
    """A flow, which is a pool's name too, that nobody else has."""

    @flow(name=f"nothing-{uuid.uuid4().hex[:6]}", description="Nothing.")
    def nothing() -> None:
        pass

    return nothing


def known(client: SyncPrefectClient, flow: Flow[..., Any]) -> DeploymentResponse:
    return client.read_deployment_by_name(f"{flow.name}/augury")


def pause(client: SyncPrefectClient, pool: str, *, paused: bool) -> None:
    """Do what the switch of a queue does on the pool's page."""
    client.request(
        "PATCH",
        "/work_pools/{work_pool_name}/queues/{name}",
        path_params={"work_pool_name": pool, "name": "default"},
        json={"is_paused": paused},
    )


def test_a_schedule_is_as_its_users_set_it(client: SyncPrefectClient, nothing: Flow[..., Any]) -> None:
    pool = nothing.name
    ensure_pool(client, pool)
    made = deploy(client, nothing, pool, interval_ms=_HOUR)
    (ours,) = known(client, nothing).schedules
    assert isinstance(ours.schedule, IntervalSchedule)
    assert ours.schedule.interval == timedelta(hours=1)
    theirs = CronSchedule(cron="0 6 * * 1")
    client.update_deployment_schedule(made, ours.id, active=False)
    client.create_deployment_schedules(made, [(theirs, True)])

    assert deploy(client, nothing, pool, interval_ms=_HOUR) == made
    held = {str(s.id): s.active for s in known(client, nothing).schedules}
    assert held[str(ours.id)] is False
    assert sorted(held.values()) == [False, True]

    deploy(client, nothing, pool, interval_ms=2 * _HOUR)  # the policy has changed; it stays paused
    intervals = {s.schedule.interval: s for s in known(client, nothing).schedules if s.slug}
    assert list(intervals) == [timedelta(hours=2)]
    assert not intervals[timedelta(hours=2)].active

    deploy(client, nothing, pool)  # the policy has gone
    (left,) = known(client, nothing).schedules
    assert isinstance(left.schedule, CronSchedule)
    assert left.schedule.cron == theirs.cron


def test_a_deployment_stays_in_the_queue_where_its_users_put_it(
    client: SyncPrefectClient, nothing: Flow[..., Any]
) -> None:
    pool = nothing.name
    ensure_pool(client, pool)
    made = deploy(client, nothing, pool, "training")
    assert (known(client, nothing).work_pool_name, known(client, nothing).work_queue_name) == (
        *(pool, "training"),
    )
    moved = {"work_pool_name": pool, "work_queue_name": "nightly", "paused": True}
    client.request("PATCH", "/deployments/{id}", path_params={"id": made}, json=moved)
    deploy(client, nothing, pool, "training")
    assert known(client, nothing).work_queue_name == "nightly"
    assert known(client, nothing).paused


def test_a_pool_is_one_whose_runs_prefects_own_workers_leave_alone(client: SyncPrefectClient) -> None:
    name = f"process-{uuid.uuid4().hex[:6]}"
    client.create_work_pool(WorkPoolCreate(name=name, type="process"))
    with pytest.raises(ValueError, match=f"type {POOL_TYPE}.*{name} has 'process'"):
        ensure_pool(client, name)


def test_what_is_no_parameter_of_a_flow_is_refused_before_there_is_a_run(
    stack: Any, client: SyncPrefectClient, nothing: Flow[..., Any]
) -> None:
    @flow(name=f"{nothing.name}-searched")
    def searched(at: Moment, trials: Count | None = None) -> None:
        pass

    ensure_pool(client, nothing.name)
    deploy(client, searched, nothing.name)
    schema = known(client, searched).parameter_openapi_schema
    assert schema["properties"]["at"]["minimum"] == 0
    with PrefectRuns(stack.settings.prefect_api_url) as runs:
        for wrong in ({"at": -1}, {"at": 1, "trials": 0}, {"at": "now"}, {}):
            with pytest.raises(RefusedRunError, match="parameters fit its flow"):
                runs(searched.name, wrong, "wrong")
        assert runs(searched.name, {"at": 1, "trials": 1}, "right")


def test_a_paused_pool_gives_no_runs_and_its_workers_are_seen(
    stack: Any, client: SyncPrefectClient, nothing: Flow[..., Any]
) -> None:
    api, pool = stack.settings.prefect_api_url, nothing.name
    ensure_pool(client, pool)
    client.update_work_pool(pool, WorkPoolUpdate(is_paused=True, concurrency_limit=1))
    worker = FlowWorker(api, [nothing], pool, pool=pool, poll_s=0.1)
    with working(worker), PrefectRuns(api) as runs:
        waits = runs(nothing.name, {}, "waits")
        eventually(lambda: [w.name for w in client.read_workers_for_work_pool(pool)] == [pool])
        assert client.read_workers_for_work_pool(pool)[0].status == "ONLINE"
        later = runs(nothing.name, {}, "later")
        assert {state(api, run) for run in (waits, later)} == {"SCHEDULED"}
        pause(client, pool, paused=True)
        client.update_work_pool(pool, WorkPoolUpdate(is_paused=False))
        assert client.get_scheduled_flow_runs_for_work_pool(pool) == []
        pause(client, pool, paused=False)
        eventually(lambda: {state(api, run) for run in (waits, later)} == {"COMPLETED"})
    assert client.read_work_pool(pool).concurrency_limit == 1  # as it was set
    assert worker.ended == {(nothing.name, "completed"): 2}
