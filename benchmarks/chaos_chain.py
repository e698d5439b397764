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
from benchmarks.champions import BY
from benchmarks.chaos_flows import DONE, POINT
from benchmarks.chaos_project import DAY, DRIFT, FIRST_DAY, inputs, late
from benchmarks.chaos_world import World
from flows.runs import PrefectRuns
from inference.registry import ExperimentKind
from schemas.log import await_group, consumer

REQUESTS, DRIFTED_BY = 60, 1.5
PATIENCE_S = 240.0
_HOUR, _LOOK_S, _LOOKS = 3_600_000, 0.1, 10
ALERTED, ON_TRIAL, LABELLED, PROMOTED = "alerted", "on trial", "labelled", "promoted"


@dataclass(frozen=True)
class Place:
    """Where a chain is killed: the flows' own places in turn, or parts, each at a moment of the chain."""

    name: str
    steps: tuple[str, ...] = ()
    parts: tuple[tuple[str, str], ...] = ()
    event: str = DRIFT


@dataclass(frozen=True)
class Outcome:
    """What came of one event.

    `trials` are those of the search, `shares` those of a canary, `runs` is how many runs one key has at most,
    `announced` 1 where the log has each of the registry's events, `trained` how often a model was learned,
    `needless` how often although nobody had died with what was learned, `unanswered` how many requests have
    not one row in the log, `unreached` at how many places nothing was killed.
    """

    seconds: float
    kills: int
    alerts: int
    retrainings: int
    trials: int
    decisions: int
    shares: int
    runs: int
    announced: int
    trained: int
    needless: int
    unanswered: int
    unreached: int
    hung: str = ""
    event: str = DRIFT


class Chain:
    """A model's way from an alert of drift to a new champion."""

    def __init__(self, at: World, number: int, place: Place) -> None:
        self.at, self.place = at, place
        self.model = f"punctual_{number}"
        self.policy = f"outputs/{self.model}"
        self.began = (FIRST_DAY + 1 + 20 * number) * DAY
        self.asked = 0

    def run(self) -> Outcome:
        """Let the event happen, and wait for its end; a chain without one tells where it hangs."""
        self.crown()
        folder, kills = self.at.folder(), self.at.kills
        (folder / DONE).write_text("")
        (folder / POINT).write_text("\n".join(self.place.steps))
        started, hung = time.monotonic(), ""
        try:
            self.happen()
            until(lambda: self.alerts() > 0, "somebody is told of what has happened")
            self.kill(ALERTED)
            self.follow()
            until(lambda: set(self._states()) == {"COMPLETED"}, "all runs have ended")
            until(lambda: not self.at.registry.unpublished_events(), "the outbox is empty")
        except TimeoutError as error:
            hung = str(error)
        seconds = time.monotonic() - started
        return self._outcome(seconds, self.at.kills - kills + len(self.place.parts), hung)

    def crown(self) -> None:
        """Make what is wrong the champion, and wait until it is served."""
        self.at.crown(self.model)
        until(lambda: self.served()["champion_version"] == 1, "the door serves the first champion")

    def happen(self) -> None:
        """Let a window drift, and look at it."""
        self.ask("drifted", self.began - DAY, DRIFTED_BY)
        self.look("drift", {"policy": self.policy, "at": self.began})

    def follow(self) -> None:
        """Let labels come to the trial that follows, until the challenger is champion."""
        registry = self.at.registry
        until(lambda: registry.serving_config(self.model).shadow_model_version == 2, "a version is on trial")
        until(lambda: self.served()["shadow_model_version"] == 2, "the door has the challenger in shadow")
        self.kill(ON_TRIAL)
        labels = self.ask("on-trial", self.began)
        self.at.replayer.run([labels], until=self.began + DAY)
        self.kill(LABELLED)
        self._pass_days()
        self.take_over()
        self.kill(PROMOTED)
        until(lambda: self.served()["champion_version"] == 2, "the door serves the new champion")

    def decided(self) -> bool:
        """Tell whether the trial has had its consequence."""
        return self.at.registry.get(self.model, 2).status == "champion"

    def take_over(self) -> None:
        """Wait for what lies between the trial and the promotion: nothing."""

    def look(self, flow: str, parameters: dict[str, Any]) -> None:
        """Ask for a run of a flow, once."""
        key = f"{flow}/{self.model}/{self.asked}"
        with PrefectRuns(self.at.settings.prefect_api_url) as runs:
            until(lambda: bool(runs(flow, parameters, key)), f"a run of {flow} is asked for")

    def ask(self, what: str, since: int, shift: float = 0.0) -> list[Event]:
        """Ask the door as from `since` (ms) on, once a minute, and give what will have come true."""
        random = np.random.default_rng(3)
        labels = []
        for number in range(REQUESTS):
            known, asked = inputs(random, shift), since + number * 60_000
            name = f"{self.model}-{what}-{number}"
            body = {"request_id": name, "model_name": self.model, "requested_at": asked}
            body |= {"entity_keys": {"line": f"l{number}"}, "inputs": known}
            until(lambda: self._answered(body), "the door answers")  # noqa: B023 (called at once)
            happened = asked + _HOUR
            truth = {"request_id": name, "model_name": self.model, "label": float(late(known, random))}
            labels.append(Event("ground_truth", name, happened, truth | {"happened_at": happened}))
        self.asked += REQUESTS
        until(self._logged, "the door's answers are in the log")
        return labels

    def _answered(self, body: dict[str, Any]) -> bool:
        return self.at.door.post("/v1/predict", json=body).status_code == 200

    def _pass_days(self) -> None:
        """Let days pass, each with one more label, until the trial is decided."""
        for day in range(2, 2 + _LOOKS):
            at = self.began + day * DAY
            name = f"{self.model}-day-{day}"
            truth = {"request_id": name, "model_name": self.model, "label": 0.0, "happened_at": at}
            self.at.replayer.run([[Event("ground_truth", name, at, truth)]], until=at + 1)
            try:
                until(self.decided, "", PATIENCE_S / _LOOKS)
                return
            except TimeoutError:
                continue
        raise TimeoutError(f"within {_LOOKS} looks the trial is decided; it is not")

    def kill(self, moment: str) -> None:
        """End the parts that are to die at a moment, and start them again."""
        for when, part in self.place.parts:
            if when == moment:
                self.at.stack.kill(part)
                self.at.stack.start(part)

    def served(self) -> dict[str, Any]:
        """Give what the door says of the model."""
        return dict(self.at.door.get(f"/v1/models/{self.model}").json())

    def _logged(self) -> bool:
        return b"augury_spool_records 0.0" in get(self.at.settings.http_port, "/metrics")

    def alerts(self) -> int:
        """Count the event's alerts in the warehouse."""
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
        events, versions = registry.history.events(self.model), registry.versions(self.model)
        kinds = Counter(event.kind for event in events if event.by != BY)
        runs = Counter(run["name"] for run in self._runs())
        trained = (self.at.folder() / DONE).read_text().splitlines().count("fit")
        await_group(self.at.settings.kafka_bootstrap, "augury.sink", PATIENCE_S, log_level=0)
        answers = self.at.warehouse.query(
            "SELECT count(), uniqExact(request_id) FROM model_prediction_log FINAL "
            "WHERE model_name = {model:String}",
            parameters={"model": self.model},
        ).result_rows[0]
        return Outcome(
            seconds=seconds,
            kills=kills,
            alerts=self.alerts(),
            retrainings=sum(version.experiment_id.startswith(self.model) for version in versions),
            trials=sum(len(registry.experiments.trials(study)) for study in self._studies()),
            decisions=sum(kinds[kind] for kind in ("promoted", "rejected", "rolled_back")),
            shares=kinds["canary_started"] + kinds["canary_grew"],
            runs=max(runs.values(), default=0),
            announced=int(self._announced() == {event.event_id for event in events}),
            trained=trained,
            needless=max(0, trained - 1 - self.place.steps.count("fit after")),
            unanswered=abs(self.asked - int(answers[0])) + abs(int(answers[0]) - int(answers[1])),
            unreached=len((self.at.folder() / POINT).read_text().splitlines()),
            hung=hung,
            event=self.place.event,
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


def until(true: Callable[[], bool], rule: str, patience_s: float = PATIENCE_S) -> None:
    """Wait until something is true, whatever is away meanwhile; raises `TimeoutError` with the rule."""
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
