"""One event and all that follows from it, while what carries it is killed; and what came of it."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from augury.clients import codec
from augury.replay import Event
from augury.stack.probes import get
from benchmarks.chaos_flows import DONE, POINT
from benchmarks.chaos_project import DAY, FIRST_DAY, inputs, late
from benchmarks.chaos_world import World
from flows.runs import PrefectRuns
from inference.registry import ExperimentKind
from schemas.log import await_group, consumer

REQUESTS, DRIFT = 60, 1.5
PATIENCE_S = 240.0
_HOUR, _LOOK_S, _LOOKS = 3_600_000, 0.1, 10
ALERTED, ON_TRIAL, LABELLED = "alerted", "on trial", "labelled"


@dataclass(frozen=True)
class Place:
    """Where a chain is killed: the flows' own places in turn, or parts, each at a moment of the chain."""

    name: str
    steps: tuple[str, ...] = ()
    parts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What came of one event.

    `trials` are those of the search, `runs` is how many runs one key has at most, `announced` 1 where the log
    has each of the registry's events, `trained` how often a model was learned, `unanswered` how many requests
    have not one row in the log, `unreached` at how many places nothing was killed.
    """

    seconds: float
    kills: int
    alerts: int
    retrainings: int
    trials: int
    decisions: int
    runs: int
    announced: int
    trained: int
    unanswered: int
    unreached: int
    hung: str = ""


class Chain:
    """A model's way from an alert to a new champion."""

    def __init__(self, at: World, number: int, place: Place) -> None:
        self.at, self.place = at, place
        self.model = f"punctual_{number}"
        self.policy = f"outputs/{self.model}"
        self.began = (FIRST_DAY + 1 + 20 * number) * DAY

    def run(self) -> Outcome:
        """Let the event happen, and wait for its end; a chain without one tells where it hangs."""
        self.at.crown(self.model)
        _until(lambda: self._served()["champion_version"] == 1, "the door serves the first champion")
        folder, kills = self.at.folder(), self.at.kills
        (folder / DONE).write_text("")
        (folder / POINT).write_text("\n".join(self.place.steps))
        started, hung = time.monotonic(), ""
        try:
            self._follow()
        except TimeoutError as error:
            hung = str(error)
        seconds = time.monotonic() - started
        return self._outcome(seconds, self.at.kills - kills + len(self.place.parts), hung)

    def _follow(self) -> None:
        self._ask(f"{self.model}-drifted", self.began - DAY, DRIFT)
        _until(self._logged, "the door's answers are in the log")
        with PrefectRuns(self.at.settings.prefect_api_url) as runs:
            looked = {"policy": self.policy, "at": self.began}
            _until(lambda: bool(runs("drift", looked, self.model)), "the window is looked at")
        _until(lambda: self._alerts() > 0, "the window's drift is told of")
        self._kill(ALERTED)
        registry = self.at.registry
        _until(lambda: registry.serving_config(self.model).shadow_model_version == 2, "a version is on trial")
        _until(lambda: self._served()["shadow_model_version"] == 2, "the door has the challenger in shadow")
        self._kill(ON_TRIAL)
        labels = self._ask(self.model, self.began)
        _until(self._logged, "the door's answers are in the log")
        self.at.replayer.run([labels], until=self.began + DAY)
        self._kill(LABELLED)
        self._look()
        _until(lambda: self._served()["champion_version"] == 2, "the door serves the new champion")
        _until(lambda: set(self._states()) == {"COMPLETED"}, "all runs have ended")
        _until(lambda: not registry.unpublished_events(), "the outbox is empty")

    def _ask(self, of: str, since: int, shift: float = 0.0) -> list[Event]:
        """Ask the door as from `since` (ms) on, and give what will have come true."""
        random = np.random.default_rng(3)
        labels = []
        for number in range(REQUESTS):
            known, asked = inputs(random, shift), since + number * 60_000
            name = f"{of}-{number}"
            body = {"request_id": name, "model_name": self.model, "requested_at": asked}
            body |= {"entity_keys": {"line": f"l{number % 7}"}, "inputs": known}
            _until(lambda: self._answered(body), "the door answers")  # noqa: B023 (called at once)
            happened = asked + _HOUR
            truth = {"request_id": name, "model_name": self.model, "label": float(late(known, random))}
            labels.append(Event("ground_truth", name, happened, truth | {"happened_at": happened}))
        return labels

    def _answered(self, body: dict[str, Any]) -> bool:
        return self.at.door.post("/v1/predict", json=body).status_code == 200

    def _look(self) -> None:
        """Let days pass, each with one more label, until the trial is decided."""
        registry = self.at.registry
        for day in range(2, 2 + _LOOKS):
            at = self.began + day * DAY
            name = f"{self.model}-day-{day}"
            truth = {"request_id": name, "model_name": self.model, "label": 0.0, "happened_at": at}
            self.at.replayer.run([[Event("ground_truth", name, at, truth)]], until=at + 1)
            try:
                _until(lambda: registry.get(self.model, 2).status == "champion", "", PATIENCE_S / _LOOKS)
                return
            except TimeoutError:
                continue
        raise TimeoutError(f"within {_LOOKS} looks the trial is decided; it is not")

    def _kill(self, moment: str) -> None:
        for when, part in self.place.parts:
            if when == moment:
                self.at.stack.kill(part)
                self.at.stack.start(part)

    def _served(self) -> dict[str, Any]:
        return dict(self.at.door.get(f"/v1/models/{self.model}").json())

    def _logged(self) -> bool:
        return b"augury_spool_records 0.0" in get(self.at.settings.http_port, "/metrics")

    def _alerts(self) -> int:
        """Count the drift's alerts in the warehouse."""
        counted = self.at.warehouse.query(
            "SELECT uniqExact(alert_id) FROM alerts WHERE policy = {policy:String}",
            parameters={"policy": self.policy},
        )
        return int(counted.result_rows[0][0])

    def _states(self) -> list[str]:
        return [run["state"]["type"] for run in self._runs()]

    def _runs(self) -> list[dict[str, Any]]:
        """Give all runs of the chain's flows."""
        found: list[dict[str, Any]] = []
        while True:
            page = self.at.prefect.post("/flow_runs/filter", json={"offset": len(found), "limit": 200})
            runs = page.raise_for_status().json()
            found += runs
            if not runs:
                of = {"model_name": self.model, "policy": self.policy}
                return [r for r in found if any(r["parameters"].get(k) == v for k, v in of.items())]

    def _outcome(self, seconds: float, kills: int, hung: str) -> Outcome:
        registry = self.at.registry
        events = registry.history.events(self.model)
        own = [event for event in events if event.version == 2]
        kinds = Counter(event.kind for event in own)
        runs = Counter(run["name"] for run in self._runs())
        await_group(self.at.settings.kafka_bootstrap, "augury.sink", PATIENCE_S, log_level=0)
        answers = self.at.warehouse.query(
            "SELECT count(), uniqExact(request_id) FROM model_prediction_log FINAL "
            "WHERE model_name = {model:String}",
            parameters={"model": self.model},
        ).result_rows[0]
        return Outcome(
            seconds=seconds,
            kills=kills,
            alerts=self._alerts(),
            retrainings=len(registry.versions(self.model)) - 1,
            trials=sum(len(registry.experiments.trials(study)) for study in self._studies()),
            decisions=kinds["promoted"] + kinds["rejected"],
            runs=max(runs.values(), default=0),
            announced=int(self._announced() == {event.event_id for event in events}),
            trained=(self.at.folder() / DONE).read_text().splitlines().count("fit"),
            unanswered=abs(2 * REQUESTS - int(answers[0])) + abs(int(answers[0]) - int(answers[1])),
            unreached=len((self.at.folder() / POINT).read_text().splitlines()),
            hung=hung,
        )

    def _studies(self) -> list[str]:
        found = self.at.registry.experiments.all(model_name=self.model, kind=ExperimentKind.TUNING)
        return [each.experiment_id for each in found]

    def _announced(self) -> set[str]:
        """Give the ids of the model's events in the log; one that is there twice is the same."""
        settings, decode = self.at.settings, codec(self.at.settings).decode
        reader = consumer(
            settings.kafka_bootstrap, f"chaos.{self.model}", **{"auto.offset.reset": "earliest"}
        )
        reader.subscribe(["registry.events"])
        found: set[str] = set()
        wanted = {event.event_id for event in self.at.registry.history.events(self.model)}
        deadline = time.monotonic() + PATIENCE_S / 8
        while not wanted <= found and time.monotonic() < deadline:
            for message in reader.consume(500, 0.2):
                if message.error() is None:
                    record = decode(message.value() or b"")
                    found |= {record["event_id"]} if record["model_name"] == self.model else set()
        reader.close()
        return found


def _until(true: Callable[[], bool], rule: str, patience_s: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + patience_s
    while True:
        try:
            if true():
                return
        except Exception as error:  # whatever was killed is away for a while
            last = f" ({type(error).__name__}: {error})"
        else:
            last = ""
        if time.monotonic() > deadline:
            raise TimeoutError(f"within {patience_s:.0f} s {rule}; it is not so{last}")
        time.sleep(_LOOK_S)
