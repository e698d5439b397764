"""A stack that a project's scenario is played on: its history, and a first model."""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from augury.apply import apply
from augury.clients import codec, online_store, warehouse
from augury.commands.up import progress_of
from augury.demo.scenario import Scenario
from augury.demo.summary import spell
from augury.models import publish
from augury.replay import Counts, Replayer
from augury.settings import Settings
from augury.stack import PartError, Stack
from features.layout import clock_key, unpack_clock
from features.project import Project
from flows.runs import ENDED, PrefectRuns
from flows.triggers import RETRAIN
from inference.registry import Registry
from schemas.log import backlog
from warehouse.backfill import log_clock
from warehouse.client import Client
from warehouse.datasets import find, read

FIRST = "first-training"
"""The run that trains the first model."""
_MARK = ".augury-demo"  # in a folder that the demo may empty
_PATIENCE_S = 300.0


@dataclass(frozen=True)
class First:
    """The first model: its version, and its holdout AUC beside that of a model that knows no feature."""

    version: int
    holdout_auc: float
    prior_auc: float


class Stage:
    """A stack for a project's scenario, which it brings up."""

    def __init__(self, project: Project, scenario: Scenario, settings: Settings, console: Console) -> None:
        self.project = project
        self.scenario = scenario
        self.settings = settings
        self.console = console
        self.stack = Stack(settings)

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

    def bring_up(self) -> None:
        """Start the servers, apply the project, start its services."""
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

    def history(self, client: Client) -> tuple[Counts, float]:
        """Replay history, and await that the stream and the warehouse have all of it.

        Gives what was published, and how many events a second the stream took.
        """
        scenario = self.scenario
        self.console.rule("history: events through Kafka and Flink")
        replayer = Replayer(
            self.settings.kafka_bootstrap,
            codec(self.settings),
            self.project.source_plans,
            options=self.settings.kafka_client(),
        )
        started = time.monotonic()
        with replayer, self.bar("published", scenario.live_from - scenario.start) as move:
            counts = replayer.run(
                scenario.events(scenario.start, scenario.live_from),
                until=scenario.live_from,
                progress=lambda at, _: move(at - scenario.start),
            )
        with self.bar("streamed", scenario.live_from - scenario.start) as move:
            self.until(lambda: self._clock() >= scenario.live_from - 1_001, move, scenario.start, self._clock)
        events_per_s = counts.events / (time.monotonic() - started)
        self.console.print(
            f"{counts.events:,} events and {counts.ticks:,} clock ticks, all rows in Redis: "
            f"{events_per_s:,.0f} events/s"
        )
        with self.bar("stored", scenario.live_from - scenario.start) as move:

            def stored() -> int:
                clocks = [log_clock(client, s) or scenario.start for s in self.project.source_plans.values()]
                return min(clocks)

            self.until(lambda: stored() >= scenario.live_from, move, scenario.start, stored)
            self.until(self.settled)
        return counts, events_per_s

    def first_model(self, client: Client, held: Registry) -> First:
        """Train on early history, by the flow that retrains; compare with the prior; promote."""
        self.console.rule("the first model")
        model = self.scenario.model.name
        with self.console.status("training set, LightGBM, ONNX, registry"):
            self._train()
            self.until(lambda: bool(held.versions(model)))
        version = held.versions(model)[-1]
        metrics = held.experiments.get(version.experiment_id).evaluation_metrics
        dataset = find(client, f"{model}-{FIRST}", self.project.model_plans[model])
        assert dataset is not None
        start, auc = metrics["holdout_start"], metrics["holdout_auc"]
        assert start is not None  # no model without them passes its gates
        assert auc is not None
        prior_auc = self.scenario.prior_auc(read(client, dataset), int(start))
        first = First(version.version, auc, prior_auc)
        held.promote(
            model, version.version, by="demo", why="the first model, better than the prior on the holdout"
        )
        publish(self.settings, held)
        self.console.print(
            f"{dataset.rows:,} labelled vectors; holdout AUC {spell(first.holdout_auc)}, "
            f"prior {spell(first.prior_auc)}; version {version.version} is champion"
        )
        self._await_served(model, version.version)
        return first

    def _train(self) -> None:
        parameters = {
            "model_name": self.scenario.model.name,
            "alert_id": FIRST,
            "policy": "the demo",
            "at": self.scenario.trained_at,
        }
        self.ask(RETRAIN, parameters, FIRST)

    def ask(self, flow: str, parameters: Mapping[str, Any], key: str) -> None:
        """Ask for a run of a flow; one for a key."""
        auth = self.settings.prefect_auth.get_secret_value()
        with PrefectRuns(self.settings.prefect_api_url, auth) as runs:
            runs(flow, parameters, key)

    def runs(self, flow: str) -> list[dict[str, Any]]:
        """Give the runs of a flow, as Prefect has them."""
        body = {"flows": {"name": {"any_": [flow]}}}
        answer = httpx.post(f"{self.settings.prefect_api_url}/flow_runs/filter", json=body, timeout=30)
        return list(answer.raise_for_status().json())

    def ended(self, flow: str, key: str) -> bool:
        """Tell whether a run that was asked for has ended well; raises `RuntimeError` where it ended else."""
        (run,) = (run for run in self.runs(flow) if run["name"] == key)
        if run["state_type"] in ENDED - {"COMPLETED"}:
            raise RuntimeError(f"a look ends; {key} ended as {run['state_type']}: {run['state']['message']}")
        return bool(run["state_type"] == "COMPLETED")

    def retrainings(self) -> list[dict[str, Any]]:
        """Give the runs of the retraining flow that an alert has set off."""
        return [run for run in self.runs(RETRAIN) if run["name"] != FIRST]

    def _await_served(self, model: str, version: int) -> None:
        url = f"http://{self.settings.http_host}:{self.settings.http_port}/v1/models/{model}"

        def served() -> bool:
            answer = httpx.get(url, timeout=30)
            return answer.status_code == 200 and f'"champion_version":{version}' in answer.text.replace(
                " ", ""
            )

        self.until(served)

    def _clock(self) -> int:
        """Give how far the slowest group has come in the online store, in ms."""
        store = online_store(self.settings)
        keys = [clock_key(p.name, p.version) for p in self.project.group_plans.values()]
        clocks = [unpack_clock(v) if isinstance(v, bytes) else self.scenario.start for v in store.mget(keys)]
        store.close()
        return min(clocks)

    def settled(self) -> bool:
        """Tell whether the sink has stored all that the log holds."""
        return backlog(self.settings.kafka_bootstrap, "augury.sink", **self.settings.kafka_client()) == 0

    @contextmanager
    def bar(self, what: str, length_ms: int) -> Iterator[Callable[[int], None]]:
        """Show how far something has come, of so many ms of the log's clock."""
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
        with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=self.console) as progress:
            task = progress.add_task(f"{what:10}", total=length_ms)

            def move(done: int) -> None:
                progress.update(task, completed=max(0, min(done, length_ms)))

            yield move
            progress.update(task, completed=length_ms)

    def until(
        self,
        holds: Callable[[], bool],
        move: Callable[[int], None] = lambda _: None,
        start: int = 0,
        where: Callable[[], int] = lambda: 0,
        patience_s: float = _PATIENCE_S,
    ) -> None:
        """Wait until something holds; raises `TimeoutError` behind `patience_s`."""
        deadline = time.monotonic() + patience_s
        while not holds():
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"a step of the demo ends within {patience_s:.0f} s; it stands at {where()}"
                )
            move(where() - start)
            time.sleep(0.1)
