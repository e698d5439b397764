"""The demo, act by act."""

import json
import time

import numpy as np
from rich.console import Console

from augury.clients import send_alert
from augury.demo.live import Live
from augury.demo.scenario import Scenario
from augury.demo.stage import Stage
from augury.demo.summary import Summary
from augury.models import registry
from augury.settings import Settings
from features.project import Project
from flows.canary import NAME as CANARY
from flows.check import check
from inference.registry import Registry
from inference.registry.canaries import GREW, STARTED
from warehouse.audit import audit
from warehouse.backfill import backfill, log_clock
from warehouse.client import Client
from warehouse.parity import parity
from warehouse.visible import visible_lag

_HOUR = 3_600_000
_LOOK_MS = 8 * _HOUR


class Demo(Stage):
    """One run of a project's scenario on a stack that it brings up; `summary` fills as it goes."""

    def __init__(self, project: Project, scenario: Scenario, settings: Settings, console: Console) -> None:
        super().__init__(project, scenario, settings, console)
        self.summary = Summary()
        self.http_ms: list[float] = []
        self.event_ms: list[float] = []

    def run(self) -> None:
        """Play all acts. Raises `PartError`, `StalledError` or `TimeoutError` where one cannot go on."""
        started = time.monotonic()
        self.bring_up()
        held = registry(self.settings)
        try:
            with self.client() as client:
                counts, self.summary.stream_events_per_s = self.history(client)
                self.summary.events_published = counts.events
                self._backfill(client, self.scenario.live_from)
                first = self.first_model(client, held)
                self.summary.champion_version_before = first.version
                self.summary.holdout_auc, self.summary.prior_auc = first.holdout_auc, first.prior_auc
                self._live(client, held)
                self._reckon(client, held)
        finally:
            held.close()
            self.summary.duration_s = time.monotonic() - started

    def _backfill(self, client: Client, until: int) -> None:
        """Backfill every group, and compare each row with the stream's."""
        self.console.rule("backfill and parity")
        rows, seconds, compared, mismatches, streamed = 0, 0.0, 0, 0, 0
        for plan in self.project.group_plans.values():
            with self.console.status(f"backfill {plan.label}"):
                done = backfill(client, plan, 0, until, memory=self.settings.backfill_memory_mb << 20)
                found = parity(client, plan, 0, until)
            rows, seconds = rows + done.rows, seconds + done.seconds
            compared, mismatches = compared + found.compared, mismatches + found.mismatches
            streamed += found.compared - found.only_backfill
            mark = "[green]✓[/]" if not found.mismatches else f"[red]{found.mismatches:,} differ[/]"
            self.console.print(f"{mark} {plan.label:22} {found.compared:>9,} rows in both")
            for row in found.first[:3]:
                self.console.print(f"    {row}", markup=False)
        self.summary.feature_rows_backfill = rows
        self.summary.feature_rows_stream = streamed
        self.summary.parity_rows_compared = compared
        self.summary.parity_mismatches = mismatches
        self.summary.backfill_rows_per_s = rows / seconds

    def _live(self, client: Client, held: Registry) -> None:
        """Play live traffic, with a drift check on the way and what follows from it."""
        scenario, model = self.scenario, self.scenario.model.name
        self.console.rule("live: requests, labels, drift, a challenger in shadow")
        live = Live(scenario, self.project.group_plans, self.project.source_plans, self.settings)
        checked, looked = False, 0
        try:
            with self.bar("live", scenario.end - scenario.live_from) as move:
                while live.position < scenario.end:
                    live.step(min(live.position + _HOUR, scenario.end))
                    move(live.position - scenario.live_from)
                    if not checked and live.position >= scenario.drift_at:
                        checked = True
                        self._drift(client, held, live)
                    if live.position >= looked + _LOOK_MS and held.canaries.on(model) is not None:
                        looked = live.position
                        self._look_at_canary(looked)
        finally:
            live.close()
        traffic = live.traffic
        self.summary.requests_http, self.summary.requests_kafka = traffic.http, traffic.kafka
        self.summary.labels_expected = traffic.labels
        self.summary.events_published = (self.summary.events_published or 0) + traffic.events
        self.summary.http_p50_ms, self.summary.http_p99_ms = _percentiles(traffic.http_ms)
        self.summary.event_to_redis_p50_ms, self.summary.event_to_redis_p99_ms = _percentiles(
            traffic.event_ms
        )
        self.http_ms, self.event_ms = traffic.http_ms, traffic.event_ms
        with self.console.status("the trial's last looks"):
            self._await_decision(held, model)

    def _drift(self, client: Client, held: Registry, live: Live) -> None:
        """Raise the alert, and wait (in simulated time it takes no time) until the challenger is on trial."""
        logged = live.traffic.http + live.traffic.kafka
        self.until(lambda: _count(client, "model_prediction_log FINAL") >= logged)
        model = self.scenario.model.name
        champion = held.champion(model)
        assert champion is not None
        found = check(client, self.project, self.scenario.drift, champion, live.position)
        worst = self.summary.drift_psi = max(f.psi for f in found.findings)
        alert = found.alert()
        if alert is None:
            self.console.print(f"no drift: the largest PSI is {worst:.2f}")
            return
        send_alert(self.settings, alert.record)
        self.console.print(f"drift: PSI up to {worst:.2f}, alert {alert.alert_id}; retraining follows")
        self.until(lambda: _on_trial(held, model) is not None)
        self.summary.challenger_version = _on_trial(held, model)
        self.console.print(f"version {self.summary.challenger_version} is on trial, in shadow")

    def _look_at_canary(self, at: int) -> None:
        """Look as the schedule would by the log's clock: its own goes by the wall's."""
        key = f"{CANARY}/{at}"
        self.ask(CANARY, {}, key)
        self.until(lambda: self.ended(CANARY, key))

    def _reckon(self, client: Client, held: Registry) -> None:
        """Settle all figures: what was stored, parity to the end, the audit, the trial."""
        scenario, plan = self.scenario, self.project.model_plans[self.scenario.model.name]
        requests = (self.summary.requests_http or 0) + (self.summary.requests_kafka or 0)
        with self.console.status("the warehouse takes the rest"):
            self.until(lambda: _count(client, "model_prediction_log FINAL") >= requests)
            self.until(self.settled)
        clocks = [log_clock(client, s) or 0 for s in self.project.source_plans.values()]
        self._backfill(client, min(clocks))
        self.console.rule("audit")
        with self.console.status("every served vector from raw events"):
            found = audit(client, plan, scenario.live_from, scenario.end)
            lag = visible_lag(client, plan, scenario.live_from, scenario.end)
        summary = self.summary
        summary.served_vectors_audited, summary.served_vector_mismatches = found.vectors, found.mismatches
        for d in found.differences:
            self.console.print(f"  {d.feature}: {d.vectors} values differ: {d.cause}")
        summary.rows_used, summary.rows_used_newest, summary.rows_used_ahead = (
            lag.rows,
            lag.current,
            lag.ahead,
        )
        summary.visible_lag_p50_s, summary.visible_lag_p99_s = lag.p50_ms / 1000, lag.p99_ms / 1000
        summary.events_in_warehouse = sum(_count(client, f"{s} FINAL") for s in self.project.source_plans)
        summary.predictions_logged = _count(client, "model_prediction_log FINAL")
        summary.shadow_predictions = _count(client, "shadow_predictions FINAL")
        summary.dead_letters = _count(client, "dead_letters FINAL")
        summary.labels_joined = int(
            client.query(
                _JOINED, parameters={"model": plan.name, "horizon": plan.label.horizon_ms}
            ).result_rows[0][0]
        )
        summary.live_auc = float(client.query(_LIVE_AUC, parameters={"model": plan.name}).result_rows[0][0])
        if summary.evaluation_decision in ("promote", "reject"):
            summary.evaluation_reason = client.query(
                _REASON, parameters={"model": plan.name, "version": summary.challenger_version}
            ).result_rows[0][0]
        summary.canary = _canary(held, plan.name, summary.challenger_version)
        champion = held.champion(plan.name)
        summary.champion_version_after = None if champion is None else champion.version
        summary.experiments_recorded = len(held.experiments.all())
        summary.experiments_in_warehouse = _count(client, "experiments FINAL")
        summary.retraining_runs = len(self.retrainings())

    def _await_decision(self, held: Registry, model: str) -> None:
        number = self.summary.challenger_version
        if number is None:
            return
        kinds = {"promoted": "promote", "canary_started": "promote", "rejected": "reject"}

        def decided() -> str | None:
            """Give what was decided; a winner may begin a canary, which takes its time."""
            events = held.history.events(model)
            return next((kinds[e.kind] for e in events if e.version == number and e.kind in kinds), None)

        try:
            self.until(lambda: decided() is not None, patience_s=60)
        except TimeoutError:
            self.summary.evaluation_decision = "continue"
        else:
            self.summary.evaluation_decision = decided()


_JOINED = """
SELECT count() FROM (SELECT request_id, requested_at FROM model_prediction_log FINAL
    WHERE model_name = {model:String} AND isNull(error)) AS p
INNER JOIN (SELECT request_id, log_time FROM ground_truth FINAL WHERE model_name = {model:String}) AS t
    ON p.request_id = t.request_id
WHERE t.log_time <= addMilliseconds(p.requested_at, {horizon:Int64})
"""
_REASON = """
SELECT why FROM model_registry_events FINAL
WHERE model_name = {model:String} AND version = {version:Int32}
  AND kind IN ('promoted', 'canary_started', 'rejected')
ORDER BY at LIMIT 1
"""
_LIVE_AUC = """
SELECT arrayAUC(groupArray(assumeNotNull(p.prediction)), groupArray(toUInt8(t.label)))
FROM (SELECT request_id, prediction FROM model_prediction_log FINAL
    WHERE model_name = {model:String} AND isNull(error)) AS p
INNER JOIN (SELECT request_id, label FROM ground_truth FINAL WHERE model_name = {model:String}) AS t
    ON p.request_id = t.request_id
"""


def _count(client: Client, table: str) -> int:
    return int(client.query(f"SELECT count() FROM {table}").result_rows[0][0])


def _on_trial(held: Registry, model: str) -> int | None:
    return held.serving_config(model).on_trial


def _canary(held: Registry, model: str, version: int | None) -> str | None:
    """Spell the shares that a version had, and how its canary ended; None where it had none."""
    events = [e for e in held.history.events(model) if e.version == version]
    shares = [f"{json.loads(e.evidence or '{}')['share']:g}" for e in events if e.kind in (STARTED, GREW)]
    ends = {"promoted": "promoted", "rejected": "rolled back"}
    return ", ".join([*shares, *(ends[e.kind] for e in events if e.kind in ends)]) if shares else None


def _percentiles(values: list[float]) -> tuple[float | None, float | None]:
    if not values:
        return None, None
    p50, p99 = np.percentile(values, [50, 99])
    return float(p50), float(p99)
