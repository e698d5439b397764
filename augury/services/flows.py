"""The flow runs of Prefect."""

import subprocess
from collections.abc import Callable
from functools import partial
from threading import Event
from typing import Any

from prefect import Flow
from prometheus_client import CollectorRegistry

from augury.alerting import resolve
from augury.auditing import Auditor
from augury.clients import project_clock, send_alert, warehouse
from augury.clock import wall_ms
from augury.experiments import Experiments
from augury.models import artifacts, publish, registry
from augury.reports.pictures import Pictures
from augury.settings import ROOT, Settings
from augury.training import ChangedValues, Datasets, Query, TrainingSets, Windows
from features.project import Project
from flows.audit import audit
from flows.canary import canary
from flows.canary import intervals as canary_intervals
from flows.check import check
from flows.context import Context, configure
from flows.drift import drift
from flows.drift import intervals as drift_intervals
from flows.evaluate import evaluate, start_trial
from flows.failures import Failures
from flows.fall_back import fall_back
from flows.freeze import freeze_features
from flows.monitor import intervals as monitor_intervals
from flows.monitor import monitor
from flows.performance import check_performance
from flows.reference import freeze
from flows.retrain import retrain
from flows.rollout import look_at
from flows.triggers import RETRAIN, TUNE
from flows.tune import tune
from flows.worker import FlowWorker
from schemas.log import await_group
from schemas.metrics import Sampled, counter
from warehouse.alerts import stalled_groups

_PATIENCE_S = 60.0


def run(
    project: Project, settings: Settings, stop: Event, ready: Callable[[], None], metrics: CollectorRegistry
) -> None:
    """Execute flow runs."""
    context = collaborators(project, settings)
    configure(context)
    auth = settings.prefect_auth.get_secret_value() or None
    models: list[Flow[..., Any]] = [retrain, tune, start_trial, evaluate, canary, fall_back, freeze_features]
    watches: list[Flow[..., Any]] = [audit, drift, monitor]
    flows = models + watches
    intervals = drift_intervals(project.policies) | monitor_intervals(project.policies)
    intervals |= canary_intervals(project.policies)
    worker = FlowWorker(
        settings.prefect_api_url,
        flows,
        settings.flows_name,
        auth=auth,
        pool=settings.flows_pool,
        queues=settings.flows_queues.split(),
        training=(RETRAIN, TUNE),
        intervals_ms=intervals,
        failures=Failures(context.alert, context.resolve, context.clock, context.owner),
    )
    meaning = "Flow runs that ended here, by flow and state."
    metrics.register(
        Sampled(lambda: [counter("augury_flow_runs_ended_total", meaning, ("flow", "state"), worker.ended)])
    )
    worker.run(stop, ready)


def collaborators(project: Project, settings: Settings) -> Context:
    """Give what a project's flows work with."""
    held = registry(settings)
    client = warehouse(settings)
    clock = partial(project_clock, client, project)
    return Context(
        project=project,
        registry=held,
        artifacts=artifacts(settings),
        dataset=Datasets(client, project),
        query=Query(client),
        audit=Auditor(client, project, settings.backfill_memory_mb << 20, held.cutovers.routes),
        freeze=partial(freeze, client, project),
        check_drift=partial(check, client, project),
        check_performance=partial(check_performance, client, project),
        look_at_canary=partial(look_at, client, clock if settings.replay else wall_ms),
        clock=clock,
        alert=partial(send_alert, settings),
        resolve=partial(resolve, settings, client),
        publish=partial(publish, settings, held),
        code_version=code_version(),
        wait_for_warehouse=partial(_await_sink, settings),
        training_set=TrainingSets(client),
        changed_values=ChangedValues(client, project),
        stalled_groups=partial(stalled_groups, client),
        windows_done=Windows(client),
        keep_experiment=Experiments(settings, held),
        pictures=Pictures(client, held),
        documents_url=settings.documents_url,
    )


def _await_sink(settings: Settings, _until: int) -> None:
    # All that the log holds now covers what it held then.
    await_group(settings.kafka_bootstrap, "augury.sink", _PATIENCE_S, **settings.kafka_client())


def code_version() -> str:
    """Name the commit of the code, or `unknown` outside a checkout."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
