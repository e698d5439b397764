import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import pytest
from confluent_kafka import TopicPartition
from prefect import flow

from features.policies import DriftPolicy, EvaluationPolicy
from flows.bridge import TOPICS, Bridge
from flows.runs import PrefectRuns, RefusedRunError
from flows.triggers import Triggers
from flows.worker import FlowWorker
from schemas.codec import Codec
from schemas.log import Topic, consumer, create_topics, producer
from schemas.records import TOPICS as RECORDS
from schemas.records import load
from schemas.registry import SchemaRegistry
from tests.flows.world import DAY, NOW, project

pytestmark = pytest.mark.stack
START = NOW - NOW % DAY


@flow(name="retrain")
def retrain(model_name: str, alert_id: str, policy: str, at: int) -> None:
    """Stand in for the flow: what counts here is that it was asked for."""


@flow(name="start-trial")
def start_trial(model_name: str, version: int) -> None:
    """Stand in for the flow."""


@flow(name="evaluate")
def evaluate(model_name: str, version: int, until: int) -> None:
    """Stand in for the flow."""


class Given:
    """A model of its own name, its triggers, and events written to the log."""

    def __init__(self, settings: Any, folder: Path) -> None:
        self.settings = settings
        self.model = f"m_{uuid.uuid4().hex[:8]}"
        made = project(folder, self.model)
        drift = [p for p in made.policies if isinstance(p, DriftPolicy)]
        self.policy = drift[0].name
        self.triggers = Triggers(drift, [p for p in made.policies if isinstance(p, EvaluationPolicy)])
        self.codec = Codec(SchemaRegistry(settings.registry_url))
        create_topics(
            settings.kafka_bootstrap, [Topic(name, config={"retention.ms": "-1"}) for name in TOPICS]
        )
        self.ends = self._ends()
        self.producer = producer(settings.kafka_bootstrap)
        self.encode = {name: self.codec.encoder(name, load(RECORDS[name])) for name in TOPICS}
        self.trial: int | None = None
        self.letters: list[Mapping[str, Any]] = []

    def _ends(self) -> list[TopicPartition]:
        log = consumer(self.settings.kafka_bootstrap, f"ends-{self.model}")
        there = log.list_topics(timeout=30).topics
        places = [TopicPartition(name, at) for name in TOPICS for at in there[name].partitions]
        ends = [
            TopicPartition(p.topic, p.partition, log.get_watermark_offsets(p, timeout=30)[1]) for p in places
        ]
        log.close()
        return ends

    def write(self, topic: str, record: Mapping[str, Any] | bytes, at: int = START) -> None:
        value = record if isinstance(record, bytes) else self.encode[topic](record)
        self.producer.produce(topic, value=value, key=self.model.encode(), timestamp=at)
        assert self.producer.flush(10) == 0

    def alert(self, alert_id: str, at: int = START, policy: str | None = None) -> None:
        record = {"alert_id": alert_id, "policy": policy or self.policy, "kind": "drift", "subject": "x"}
        self.write("alerts", {**record, "model_name": None, "severity": "high", "evidence": "{}", "at": at})

    def registered(self, version: int, by: str) -> None:
        event = {"event_id": uuid.uuid4().hex, "model_name": self.model, "version": version, "by": by}
        event |= {"kind": "registered", "status": "staging", "why": "", "sha256": None, "artifact_uri": None}
        self.write("registry.events", {**event, "at": START})

    def label(self, at: int) -> None:
        record = {"request_id": "r", "model_name": self.model, "label": 1.0, "happened_at": at}
        self.write("ground_truth", record, at)

    def tick(self, at: int) -> None:
        self.producer.produce("ground_truth", value=None, timestamp=at)
        assert self.producer.flush(10) == 0

    @contextmanager
    def bridge(
        self,
        runs: Callable[[str, Mapping[str, Any], str], str],
        group: str,
        publish: Callable[[], None] | None = None,
    ) -> Iterator[Bridge]:
        """Run a bridge; at the end, wait until it has read all that was written."""
        stop = Event()
        log = consumer(self.settings.kafka_bootstrap, group)
        # It begins where this test began: what others wrote has clocks of its own.
        begun = log.commit(offsets=self.ends, asynchronous=False)
        assert [p.error for p in begun] == [None] * len(self.ends)
        made = Bridge(
            log, self.codec, self.triggers, lambda _: self.trial, runs, self.letters.append, publish
        )
        thread = Thread(target=made.run, args=(stop,))
        thread.start()
        try:
            yield made
        finally:
            stop.set()
            thread.join(30)
            assert not thread.is_alive()

    def runs(self) -> list[str]:
        """Give the keys of this model's runs, sorted."""
        return sorted(run["idempotency_key"] for run in self.found())

    def found(self) -> list[dict[str, Any]]:
        answer = httpx.post(
            f"{self.settings.prefect_api_url}/flow_runs/filter",
            json={"flow_runs": {"name": {"like_": self.model}}, "limit": 200},
            timeout=30,
        )
        return list(answer.raise_for_status().json())


def eventually(true: Callable[[], bool], seconds: float = 240) -> None:
    pause = Event()
    for _ in range(int(seconds * 10)):
        if true():
            return
        pause.wait(0.1)
    raise AssertionError("it has not come true in time")


@pytest.fixture
def given(stack: Any, tmp_path: Path) -> Iterator[Given]:
    deployed, stop = Event(), Event()
    flows = [retrain, start_trial, evaluate]
    worker = FlowWorker(stack.settings.prefect_api_url, flows, f"w-{uuid.uuid4()}")

    def ready() -> None:
        stop.set()  # the deployments are what is needed; the runs are left scheduled
        deployed.set()

    worker.run(stop, ready)
    assert deployed.is_set()
    made = Given(stack.settings, tmp_path)
    yield made
    for run in made.found():  # else the next worker of these flows would execute them
        httpx.delete(f"{stack.settings.prefect_api_url}/flow_runs/{run['id']}", timeout=30)


def test_events_become_runs_once_however_often_they_are_read(given: Given) -> None:
    group = f"bridge-{given.model}"
    day = [START + n * DAY for n in range(4)]
    given.alert("a1")
    given.alert("a1")
    given.alert("a2", START + DAY - 1)
    given.alert("a3", day[1])
    given.registered(1, by="ann")
    given.registered(2, by="retraining")
    expected = sorted(
        [f"{given.policy}/{day[0]}", f"{given.policy}/{day[1]}", f"{given.model}/v2"]
        + [f"{given.model}/v2/{d}" for d in day[1:]]
    )
    with PrefectRuns(given.settings.prefect_api_url) as runs:
        given.trial = 2
        with given.bridge(runs, group):
            for at in (day[1], day[1] + 5, day[2] + 7, day[1] + 9, day[3]):  # one that the log took late
                given.label(at)
            eventually(lambda: given.runs() == expected)
        # A bridge that knows of nothing reads all of it again, as after a kill before the first commit.
        with given.bridge(runs, f"{group}-again"):
            given.registered(3, by="retraining")
            expected = sorted([*expected, f"{given.model}/v3"])
            eventually(lambda: f"{given.model}/v3" in given.runs())
            # Nothing follows the last record of ground_truth, so wait until its group has read it.
            given.label(day[3] + DAY)
            given.tick(day[3] + 2 * DAY + 5)
            expected = sorted([*expected, *(f"{given.model}/v2/{day[3] + n * DAY}" for n in (1, 2))])
            eventually(lambda: f"{given.model}/v2/{day[3] + 2 * DAY}" in given.runs())
        assert given.runs() == expected


def test_what_cannot_be_run_goes_to_the_dead_letters(given: Given) -> None:
    with (
        PrefectRuns(given.settings.prefect_api_url) as runs,
        given.bridge(runs, f"bridge-{given.model}") as bridge,
    ):
        given.write("alerts", b"not avro")
        given.write(
            "alerts",
            given.encode["ground_truth"](
                {"request_id": "r", "model_name": given.model, "label": 0.0, "happened_at": 1}
            ),
        )
        given.alert("a9", policy=f"unknown-{given.model}")
        given.alert("a1")
        eventually(lambda: len(given.runs()) == 1)
    assert bridge.asked["retrain"] == 1
    assert bridge.refused == len(given.letters)

    def mine(letter: Mapping[str, Any]) -> bool:
        return letter["payload"] == b"not avro" or given.model.encode() in letter["payload"]

    letters = [letter for letter in given.letters if mine(letter)]
    assert {letter["origin"] for letter in letters} == {"bridge"}
    assert len({(letter["topic"], letter["partition"], letter["offset"]) for letter in letters}) == len(
        letters
    )
    reasons = " ".join(letter["reason"] for letter in letters)
    for part in ("a zero byte", "No default value", f"'unknown-{given.model}'"):
        assert part in reasons


def test_an_outage_of_prefect_is_waited_out(given: Given) -> None:
    given.alert("a1")
    with PrefectRuns("http://127.0.0.1:9/api") as down, PrefectRuns(given.settings.prefect_api_url) as up:
        tried = Event()
        back = Event()

        def flaky(name: str, parameters: Mapping[str, Any], key: str) -> str:
            if back.is_set():
                return up(name, parameters, key)
            tried.set()
            return down(name, parameters, key)

        with given.bridge(flaky, f"bridge-{given.model}"):
            assert tried.wait(30)
            back.set()
            eventually(lambda: len(given.runs()) == 1)
    assert not [letter for letter in given.letters if given.model.encode() in (letter["payload"] or b"")]


def test_prefect_refuses_what_does_not_fit_the_flow(given: Given) -> None:
    with PrefectRuns(given.settings.prefect_api_url) as runs:
        with pytest.raises(RefusedRunError, match=r"evaluate.*'soon'.*409"):
            runs("evaluate", {"model_name": "m", "version": 1, "until": "soon"}, f"bad-{given.model}")
        with pytest.raises(httpx.HTTPStatusError):  # not yet deployed: an outage, not a refusal
            runs("no-such-flow", {}, "k")
        parameters = {"model_name": given.model, "version": 1, "until": 5}
        assert runs("evaluate", parameters, given.model) == runs("evaluate", parameters, given.model)


def test_the_outbox_is_swept_and_a_failure_of_it_passes(
    given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.bridge._PUBLISH_S", 0.1)
    swept: list[int] = []

    def publish() -> None:
        swept.append(1)
        if len(swept) < 3:
            raise RuntimeError("no broker")

    with given.bridge(lambda *_: "run", f"bridge-{given.model}", publish):
        eventually(lambda: len(swept) > 3)


def test_a_value_of_another_type_goes_to_the_dead_letters(given: Given) -> None:
    fields = [{"name": "alert_id", "type": "string"}, {"name": "at", "type": "string"}]
    fields += [
        {"name": name, "type": "string"} for name in ("policy", "kind", "subject", "severity", "evidence")
    ]
    schema = {"type": "record", "name": "odd", "fields": fields}
    odd = given.codec.encoder("tests.odd", schema)
    record = dict.fromkeys(("alert_id", "at", "subject", "severity", "evidence"), given.model)
    given.write("alerts", odd({**record, "policy": given.policy, "kind": "drift"}))

    def refused() -> list[Mapping[str, Any]]:
        return [letter for letter in given.letters if given.model.encode() in (letter["payload"] or b"")]

    with given.bridge(lambda *_: "run", f"bridge-{given.model}"):
        eventually(lambda: len(refused()) == 1)
