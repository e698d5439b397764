"""Live traffic: the replay goes on in steps, so that no answer can know what comes after its question.

In each step the requests of a span of simulated time are asked, over both doors, while the log ends at the
span's start; when all are answered the span's events are published, and the next step begins when the
online store shows them. At thousands of times real speed a step is an hour, so visible rows lag the log by
up to that; the audit tells by how much.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import httpx

from augury.clients import codec, online_store
from augury.demo.scenario import Scenario
from augury.replay import Event, Replayer
from augury.settings import Settings
from features.compile_model import compile_model
from features.inputs import SourcePlan
from features.layout import clock_key, row_key, unpack_clock
from features.naming import key_text
from features.plan import GroupPlan
from schemas.log import consumer, producer

_PATIENCE_S = 120.0
_WEEK_MS = 7 * 86_400_000
_CLOCK_STEP_MS = 1_000  # a group's clock may stand this far behind the log's


class StalledError(RuntimeError):
    """The pipeline did not come to where the log is."""


@dataclass
class Traffic:
    """What live traffic has measured so far; latencies in ms."""

    http: int = 0
    kafka: int = 0
    http_ms: list[float] = field(default_factory=list)
    event_ms: list[float] = field(default_factory=list)
    labels: int = 0
    events: int = 0


class Live:
    """Drives the live act of a scenario, and measures what a user of either door would see."""

    def __init__(
        self,
        scenario: Scenario,
        groups: Mapping[str, GroupPlan],
        sources: Mapping[str, SourcePlan],
        settings: Settings,
    ) -> None:
        self._scenario = scenario
        self._groups = list(groups.values())
        self._probed_group = groups[scenario.probe.label]
        self._horizon_ms = compile_model(scenario.model).label.horizon_ms
        self._codec = codec(settings)
        probed = scenario.probe.sources[0]
        self._encode = self._codec.encoder(probed.name, probed.avro)
        kafka, options = settings.kafka_bootstrap, settings.kafka_client()
        self._replayer = Replayer(kafka, self._codec, sources, options=options)
        self._asker = Replayer(kafka, self._codec, {}, options=options)
        self._producer = producer(kafka, **options)
        self._results = consumer(kafka, f"augury.demo.{scenario.live_from}", **options)
        self._results.subscribe(["prediction.results"])
        self._http = _http_client(settings)
        self._redis = online_store(settings)
        self._answered: set[str] = set()
        self._asked: dict[str, int] = {}
        self._probed: Event | None = None
        self.position = scenario.live_from
        self.traffic = Traffic()

    def close(self) -> None:
        """Close the clients."""
        self._results.close()
        self._producer.close()
        self._replayer.close()
        self._asker.close()
        self._http.close()
        self._redis.close()

    def step(self, until: int) -> int:
        """Ask all requests up to about `until` (ms), then publish the events and labels before it.

        The step ends early, at the last event of the probed group, whose way to the online store is
        measured. Gives the moment to which it came.
        """
        events = [list(stream) for stream in self._scenario.events(self.position, until)]
        last = self._last_probe(events)
        end = until if last is None else last.at
        asked = list(self._scenario.requests(self.position, end))
        first = self.traffic.http + self.traffic.kafka
        share = round(self._scenario.http_share * 100)
        # spread over the hundred by a step that has no common factor with it; each replay asks alike
        by_http = [e for i, e in enumerate(asked) if (first + i) * 37 % 100 < share]
        by_kafka = [e for i, e in enumerate(asked) if (first + i) * 37 % 100 >= share]
        if by_kafka:
            self._asker.run([iter(by_kafka)], until=until)
            self.traffic.kafka += len(by_kafka)
        for event in by_http:
            self._ask(event)
        for event in asked:
            self._asked[event.record["request_id"]] = event.at
        self._await_answers(end)
        due = [[e for e in stream if e.at < end and e != self._probed] for stream in events]
        self._publish(due, end)
        if last is not None:
            self._probe(last)
        self._probed, self.position = last, end
        return end

    def pass_over(self, until: int) -> None:
        """Publish all events before `until` (ms) and ask nothing, a week at a time; no labels either."""
        while self.position < until:
            end = min(self.position + _WEEK_MS, until)
            due = [
                [e for e in stream if e != self._probed]
                for stream in self._scenario.events(self.position, end)
            ]
            self._replayer.run([iter(stream) for stream in due], until=end)
            self.traffic.events += sum(len(stream) for stream in due)
            self.await_clocks(end)
            self._probed, self.position = None, end

    def _last_probe(self, events: list[list[Event]]) -> Event | None:
        topic = self._scenario.probe.sources[0].name
        mine = [e for stream in events for e in stream if e.topic == topic and e != self._probed]
        return mine[-1] if mine else None

    def _ask(self, event: Event) -> None:
        body = {name: value for name, value in event.record.items() if value is not None}
        started = time.perf_counter()
        answer = self._http.post("/v1/predict", json=body)
        self.traffic.http_ms.append((time.perf_counter() - started) * 1000)
        self.traffic.http += 1
        answer.raise_for_status()

    def _await_answers(self, until: int) -> None:
        def answered() -> bool:
            for message in self._results.consume(500, 0.02):
                payload = message.value()
                if message.error() is None and payload is not None:
                    self._answered.add(self._codec.decode(payload)["request_id"])
            return len(self._answered) >= self.traffic.http + self.traffic.kafka

        asked = self.traffic.http + self.traffic.kafka
        _await(answered, lambda: f"{len(self._answered)} of {asked} requests are answered", until)

    def _publish(self, due: list[list[Event]], until: int) -> None:
        labels = list(self._scenario.ground_truth(self.position, until))
        self._replayer.run([*(iter(stream) for stream in due), iter(labels)], until=until)
        self.traffic.events += sum(len(stream) for stream in due)
        horizon = self._horizon_ms
        for label in labels:
            asked = self._asked.get(label.record["request_id"])
            self.traffic.labels += asked is not None and label.at <= asked + horizon
        self.await_clocks(until)

    def await_clocks(self, until: int) -> None:
        """Wait until the online store shows every group as of `until` (ms)."""
        keys = [clock_key(g.name, g.version) for g in self._groups]
        behind: list[int] = []

        def shown() -> bool:
            clocks = [unpack_clock(v) if isinstance(v, bytes) else 0 for v in self._redis.mget(keys)]
            behind[:] = [min(clocks)]
            return min(clocks) >= until - 1 - _CLOCK_STEP_MS

        _await(shown, lambda: f"the slowest group's clock stands at {behind[0]}", until)

    def _probe(self, event: Event) -> None:
        """Publish one event, and measure how long it takes until its entity's row shows it."""
        group = self._probed_group
        entity = key_text([str(event.record[key]) for key in group.keys])
        key = row_key(group.name, group.version, entity)
        payload, before = self._encode(event.record), self._redis.get(key)
        started = time.perf_counter()
        self._producer.produce(event.topic, key=event.key.encode(), value=payload, timestamp=event.at)
        self._producer.poll(0)
        _await(lambda: self._redis.get(key) != before, lambda: f"{key} does not change", event.at, 0.0005)
        self.traffic.event_ms.append((time.perf_counter() - started) * 1000)
        self.traffic.events += 1


def _http_client(settings: Settings) -> httpx.Client:
    token = settings.http_token
    return httpx.Client(
        base_url=f"http://{settings.http_host}:{settings.http_port}",
        headers={} if token is None else {"Authorization": f"Bearer {token.get_secret_value()}"},
        timeout=30,
    )


def _await(holds: Callable[[], bool], found: Callable[[], str], until: int, pause: float = 0.005) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not holds():
        if time.monotonic() > deadline:
            raise StalledError(
                f"the pipeline follows the log within {_PATIENCE_S:.0f} s; the replay stands at {until} ms, "
                f"and {found()}"
            )
        time.sleep(pause)
