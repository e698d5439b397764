"""The demo, act by act."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from augury.apply import apply
from augury.clients import codec, online_store, send_alert, warehouse
from augury.commands.up import progress_of
from augury.demo.live import Live
from augury.demo.scenario import Scenario
from augury.demo.summary import Summary, spell
from augury.models import publish, registry
from augury.replay import Replayer
from augury.settings import Settings
from augury.stack import PartError, Stack
from features.layout import clock_key, unpack_clock
from features.project import Project
from flows.check import check
from flows.runs import PrefectRuns
from flows.triggers import RETRAIN
from inference.registry import ModelStatus, ModelVersion, Registry
from schemas.log import backlog
from warehouse.audit import audit
from warehouse.backfill import backfill, log_clock
from warehouse.client import Client
from warehouse.datasets import find, read
from warehouse.parity import parity
from warehouse.visible import visible_lag

_MARK = ".augury-demo"  # in a folder that the demo may empty
_HOUR = 3_600_000
_PATIENCE_S = 300.0


class Demo:
    """One run of a project's scenario on a stack that it brings up; `summary` fills as it goes."""

    def __init__(self, project: Project, scenario: Scenario, settings: Settings, console: Console) -> None:
        self.project = project
        self.scenario = scenario
        self.settings = settings
        self.console = console
        self.stack = Stack(settings)
        self.summary = Summary()
        self.http_ms: list[float] = []
        self.event_ms: list[float] = []

    def prepare(self) -> None:
        """Begin anew: end what a former run left running, and forget its state.

        Raises `PartError` for a folder that holds anything but a former run of the demo.
        """
        home = self.settings.home
        if home.is_dir() and any(home.iterdir()) and not (home / _MARK).is_file():
            raise PartError(f"the demo empties its folder, and {home} holds what no demo wrote; name another")
        if home.is_dir():
            self.stack.down()
            shutil.rmtree(home)
        home.mkdir(parents=True)
        (home / _MARK).touch()

    @contextmanager
    def client(self) -> Iterator[Client]:
        """Give a client of the warehouse."""
        client = warehouse(self.settings)
        try:
            yield client
        finally:
            client.close()

    def run(self) -> None:
        """Play all acts. Raises `PartError`, `StalledError` or `TimeoutError` where one cannot go on."""
        started = time.monotonic()
        self._bring_up()
        held = registry(self.settings)
        try:
            with self.client() as client:
                self._history(client)
                self._backfill(client, self.scenario.live_from)
                self._first_model(client, held)
                self._live(client, held)
                self._reckon(client, held)
        finally:
            held.close()
            self.summary.duration_s = time.monotonic() - started

    def _bring_up(self) -> None:
        self.console.rule("the stack")
        with progress_of(self.console) as report:
            self.stack.up(report)
        self.console.rule("apply")
        with self.console.status("compiling") as status:
            done = apply(self.project, self.settings, lambda step: status.update(f"apply: {step}"))
        self.console.print(f"{len(done.changes)} groups, {len(done.topics)} topics, {len(done.jobs)} jobs")
        self.console.rule("services")
        with progress_of(self.console) as report:
            self.stack.serve(self.project.name, report)

    def _history(self, client: Client) -> None:
        """Replay history, and await that the stream and the warehouse have all of it."""
        scenario = self.scenario
        self.console.rule("history: events through Kafka and Flink")
        replayer = Replayer(
            self.settings.kafka_bootstrap,
            codec(self.settings),
            self.project.source_plans,
            options=self.settings.kafka_client(),
        )
        started = time.monotonic()
        with replayer, self._bar("published", scenario.live_from - scenario.start) as move:
            counts = replayer.run(
                scenario.events(scenario.start, scenario.live_from),
                until=scenario.live_from,
                progress=lambda at, _: move(at - scenario.start),
            )
        with self._bar("streamed", scenario.live_from - scenario.start) as move:
            self._until(
                lambda: self._clock() >= scenario.live_from - 1_001, move, scenario.start, self._clock
            )
        self.summary.stream_events_per_s = counts.events / (time.monotonic() - started)
        self.summary.events_published = counts.events
        self.console.print(
            f"{counts.events:,} events and {counts.ticks:,} clock ticks, all rows in Redis: "
            f"{self.summary.stream_events_per_s:,.0f} events/s"
        )
        with self._bar("stored", scenario.live_from - scenario.start) as move:

            def stored() -> int:
                clocks = [log_clock(client, s) or scenario.start for s in self.project.source_plans.values()]
                return min(clocks)

            self._until(lambda: stored() >= scenario.live_from, move, scenario.start, stored)
            self._until(self._settled)

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

    def _first_model(self, client: Client, held: Registry) -> None:
        """Train on history, by the same flow that retrains; compare with the prior; promote."""
        self.console.rule("the first model")
        model = self.scenario.model.name
        first = "first-training"
        with self.console.status("training set, LightGBM, ONNX, registry"):
            self._retrain(first)
            self._until(lambda: bool(held.versions(model)))
        version = held.versions(model)[-1]
        metrics = held.experiment_metrics(version.experiment_id)
        self.summary.holdout_auc = metrics["holdout_auc"]
        dataset = find(client, f"{model}-{first}", self.project.model_plans[model])
        assert dataset is not None
        self.summary.prior_auc = self.scenario.prior_auc(read(client, dataset), int(metrics["holdout_start"]))
        held.promote(
            model, version.version, by="demo", why="the first model, better than the prior on the holdout"
        )
        publish(self.settings, held)
        self.summary.champion_version_before = version.version
        self.console.print(
            f"{dataset.rows:,} labelled vectors; holdout AUC {spell(self.summary.holdout_auc)}, "
            f"prior {spell(self.summary.prior_auc)}; version {version.version} is champion"
        )
        self._await_served(model, version.version)

    def _live(self, client: Client, held: Registry) -> None:
        """Play live traffic, with a drift check on the way and what follows from it."""
        scenario, model = self.scenario, self.scenario.model.name
        self.console.rule("live: requests, labels, drift, a challenger in shadow")
        live = Live(scenario, self.project.group_plans, self.project.source_plans, self.settings)
        checked = False
        try:
            with self._bar("live", scenario.end - scenario.live_from) as move:
                while live.position < scenario.end:
                    live.step(min(live.position + _HOUR, scenario.end))
                    move(live.position - scenario.live_from)
                    if not checked and live.position >= scenario.drift_at:
                        checked = True
                        self._drift(client, held, live)
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
        self._until(lambda: _count(client, "model_prediction_log FINAL") >= logged)
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
        self._until(lambda: _on_trial(held, model) is not None)
        self.summary.challenger_version = _on_trial(held, model)
        self.console.print(f"version {self.summary.challenger_version} is on trial, in shadow")

    def _reckon(self, client: Client, held: Registry) -> None:
        """Settle all figures: what was stored, parity to the end, the audit, the trial."""
        scenario, plan = self.scenario, self.project.model_plans[self.scenario.model.name]
        requests = (self.summary.requests_http or 0) + (self.summary.requests_kafka or 0)
        with self.console.status("the warehouse takes the rest"):
            self._until(lambda: _count(client, "model_prediction_log FINAL") >= requests)
            self._until(self._settled)
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
        champion = held.champion(plan.name)
        summary.champion_version_after = None if champion is None else champion.version
        summary.retraining_runs = self._retrainings()

    def _retrain(self, alert: str) -> None:
        with PrefectRuns(
            self.settings.prefect_api_url, self.settings.prefect_auth.get_secret_value()
        ) as runs:
            parameters = {
                "model_name": self.scenario.model.name,
                "alert_id": alert,
                "policy": "the demo",
                "at": self.scenario.live_from,
            }
            runs(RETRAIN, parameters, alert)

    def _retrainings(self) -> int:
        """Count the runs of the retraining flow that an alert has set off."""
        body = {"flows": {"name": {"any_": [RETRAIN]}}}
        answer = httpx.post(f"{self.settings.prefect_api_url}/flow_runs/filter", json=body, timeout=30)
        return sum(run["name"] != "first-training" for run in answer.raise_for_status().json())

    def _await_served(self, model: str, version: int) -> None:
        url = f"http://{self.settings.http_host}:{self.settings.http_port}/v1/models/{model}"

        def served() -> bool:
            answer = httpx.get(url, timeout=30)
            return answer.status_code == 200 and f'"champion_version":{version}' in answer.text.replace(
                " ", ""
            )

        self._until(served)

    def _await_decision(self, held: Registry, model: str) -> None:
        number = self.summary.challenger_version
        if number is None:
            return
        kinds = {ModelStatus.CHAMPION: "promote", ModelStatus.REJECTED: "reject"}

        def judged() -> ModelVersion:
            return held.get(model, number)

        try:
            self._until(lambda: judged().status in kinds, patience_s=60)
        except TimeoutError:
            self.summary.evaluation_decision = "continue"
        else:
            self.summary.evaluation_decision = kinds[judged().status]

    def _clock(self) -> int:
        """Give how far the slowest group has come in the online store, in ms."""
        store = online_store(self.settings)
        keys = [clock_key(p.name, p.version) for p in self.project.group_plans.values()]
        clocks = [unpack_clock(v) if isinstance(v, bytes) else self.scenario.start for v in store.mget(keys)]
        store.close()
        return min(clocks)

    def _settled(self) -> bool:
        """Tell whether the sink has stored all that the log holds."""
        return backlog(self.settings.kafka_bootstrap, "augury.sink", **self.settings.kafka_client()) == 0

    @contextmanager
    def _bar(self, what: str, length_ms: int) -> Iterator[Callable[[int], None]]:
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
        with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=self.console) as progress:
            task = progress.add_task(f"{what:10}", total=length_ms)

            def move(done: int) -> None:
                progress.update(task, completed=max(0, min(done, length_ms)))

            yield move
            progress.update(task, completed=length_ms)

    def _until(
        self,
        holds: Callable[[], bool],
        move: Callable[[int], None] = lambda _: None,
        start: int = 0,
        where: Callable[[], int] = lambda: 0,
        patience_s: float = _PATIENCE_S,
    ) -> None:
        deadline = time.monotonic() + patience_s
        while not holds():
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"a step of the demo ends within {patience_s:.0f} s; it stands at {where()}"
                )
            move(where() - start)
            time.sleep(0.1)


_JOINED = """
SELECT count() FROM (SELECT request_id, requested_at FROM model_prediction_log FINAL
    WHERE model_name = {model:String} AND isNull(error)) AS p
INNER JOIN (SELECT request_id, log_time FROM ground_truth FINAL WHERE model_name = {model:String}) AS t
    ON p.request_id = t.request_id
WHERE t.log_time <= addMilliseconds(p.requested_at, {horizon:Int64})
"""
_REASON = """
SELECT why FROM model_registry_events FINAL
WHERE model_name = {model:String} AND version = {version:Int32} AND kind IN ('promoted', 'rejected')
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


def _percentiles(values: list[float]) -> tuple[float | None, float | None]:
    if not values:
        return None, None
    p50, p99 = np.percentile(values, [50, 99])
    return float(p50), float(p99)
