"""The servers and services of the chaos runs, with a history, and for each model a champion that is wrong."""

import contextlib
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa

from augury.apply import apply
from augury.clients import codec, warehouse
from augury.models import publish, registry
from augury.replay import Event, Replayer
from augury.settings import ROOT, Settings
from augury.stack import Stack
from augury.stack.part import Part
from augury.stack.services import services
from benchmarks import chaos_project
from benchmarks.champions import crown
from benchmarks.chaos_project import DAY, FIRST_DAY, inputs, late
from benchmarks.common import CACHE
from benchmarks.postgres import Postgres, initialised
from features.project import Project, collect
from features.vector import ModelPlan
from flows.export import export
from flows.recipe import Recipe
from flows.reference import freeze
from flows.rows import LABEL, LABEL_TIME, PREDICTION_TIME
from flows.training import Trained, train

SERVERS = ("kafka", "registry", "redis", "warehouse", "prefect")
DATABASE = "database"
"""The registry's PostgreSQL."""
SERVICES = ("sink", "bridge", "flows", "http")
HISTORY = 2_000
_TRAINED_ON = "chaos_training_set"
_LOOK_S = 0.2


class World:
    """What runs; the flows' service comes back by itself, and `kills` counts how often it had to."""

    def __init__(self, settings: Settings, stack: Stack, project: Project) -> None:
        self.settings, self.stack, self.project = settings, stack, project
        self.registry = registry(settings)
        self.warehouse = warehouse(settings)
        self.replayer = Replayer(settings.kafka_bootstrap, codec(settings), project.source_plans)
        self.door = httpx.Client(base_url=f"http://127.0.0.1:{settings.http_port}", timeout=30)
        self.prefect = httpx.Client(base_url=settings.prefect_api_url, timeout=30)
        self.kills = 0
        self._stop = threading.Event()
        self._nurse = threading.Thread(target=self._revive, name="nurse", daemon=True)

    @cached_property
    def wrong(self) -> Trained:
        """What has learned the opposite of what is true."""
        random = np.random.default_rng(1)
        known = [inputs(random) for _ in range(HISTORY)]
        plan = self.plan("punctual_0")
        at = np.arange(HISTORY, dtype=np.int64)
        columns: dict[str, Any] = {
            name: [k[key] for k in known] for name, key in zip(plan.names, known[0], strict=True)
        }
        columns |= {PREDICTION_TIME: at, LABEL_TIME: at, LABEL: [not late(k, random) for k in known]}
        return train(pa.table(columns), Recipe(plan.names, parameters={"num_iterations": 10}))

    @cached_property
    def exported(self) -> bytes:
        """The same as a file."""
        return export(self.wrong)

    def plan(self, model: str) -> ModelPlan:
        """Give a model's plan."""
        return self.project.model_plans[model]

    def folder(self) -> Path:
        """Give the folder of the places to die at."""
        return self.settings.home

    def history(self) -> None:
        """Publish the trips that models learn from, and store labels as those of the wrong model's set."""
        random = np.random.default_rng(2)
        end = FIRST_DAY * DAY
        events = []
        for number in range(HISTORY):
            known = inputs(random)
            done = end - DAY - (HISTORY - number) * 60_000
            trip = {"trip": f"t{number}", "line": f"l{number % 7}", "due": done, "done": done}
            trip |= {"late": late(known, random), **known}
            events.append(Event("trips", str(trip["line"]), done, trip))
        self.replayer.run([events], until=end)
        self.warehouse.command(
            f"CREATE TABLE {_TRAINED_ON} ENGINE MergeTree ORDER BY prediction_time AS "
            f"SELECT toDateTime64(number, 3, 'UTC') AS prediction_time, number % 2 AS label "
            f"FROM numbers({HISTORY})"
        )

    def crown(self, model: str) -> None:
        """Make the wrong model a model's champion, with the reference of its drift."""
        held = crown(self.settings, self.registry, self.plan(model), model, self.exported)
        seen = self.wrong.holdout
        freeze(self.warehouse, self.project, model, held, _TRAINED_ON, seen.predictions, seen.labels)
        publish(self.settings, self.registry)

    def close(self) -> None:
        """Leave the flows' service alone, and close the clients."""
        self._stop.set()
        self._nurse.join()
        self.replayer.close()
        self.door.close()
        self.prefect.close()
        self.warehouse.close()
        self.registry.close()

    def nurse(self) -> None:
        """Begin to start the flows' service anew whenever it has died."""
        self._nurse.start()

    def _revive(self) -> None:
        while not self._stop.wait(_LOOK_S):
            if any(part.name == "flows" and part.state == "died" for part in self.stack.status()):
                self.kills += 1
                self.stack.start("flows")


@contextlib.contextmanager
def world() -> Iterator[World]:
    """Run servers and services on free ports; their folder goes with them."""
    CACHE.mkdir(exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="chaos-", dir=CACHE))
    project = collect(chaos_project)
    try:
        with initialised() as postgres:
            url = f"{postgres.url}/postgres"
            settings = Settings.with_free_ports(home, replay=True, registry_database_url=url)
            with _stack(settings, postgres) as stack:
                yield from _serving(settings, stack, project)
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextlib.contextmanager
def _stack(settings: Settings, postgres: Postgres) -> Iterator[Stack]:
    """Run the servers, with the registry's database as one more."""
    stack = Stack(settings, parts=SERVERS)
    stack.supervisor.parts[DATABASE] = Part(
        DATABASE, postgres.command, lambda _: postgres.ready(), postgres.url, {}
    )
    try:
        stack.supervisor.start([DATABASE])
        with stack:
            yield stack
    finally:
        stack.supervisor.stop([DATABASE])


def _serving(settings: Settings, stack: Stack, project: Project) -> Iterator[World]:
    apply(project, settings)
    at = World(settings, stack, project)
    at.history()
    own = {each.name: each for each in services(settings, chaos_project.__name__) if each.name in SERVICES}
    program = (sys.executable, "-m", "benchmarks.chaos_flows", chaos_project.__name__, str(at.folder()))
    env = {**own["flows"].env, "PYTHONPATH": str(ROOT)}
    own["flows"] = replace(own["flows"], command=program, env=env)
    stack.supervisor.parts.update(own)
    stack.supervisor.start(list(own))
    at.nurse()
    try:
        yield at
    finally:
        at.close()
