"""Days of real flights through the whole stack, and the same with parts killed in mid-stream."""

from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from py4j.java_gateway import JavaGateway

from augury.apply import preview
from augury.replay import Event, Replayer
from augury.stack import Stack
from examples.flights.events import events
from features.contracts import ChangeKind
from tests.end_to_end.world import World, until

DAY = 86_400_000
START = round(datetime(2013, 2, 1, tzinfo=UTC).timestamp() * 1000)
MIDDLE, END = START + 3 * DAY, START + 4 * DAY
KILLED_DAY_S = 40.0

pytestmark = pytest.mark.stack


class Flights(World):
    """The example on the stack, and what was published to it."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack, "examples.flights")
        self.published: Counter[str] = Counter()
        self.at = START  # simulated time of the last event

    def replay(self, start: int, end: int, speed: float | None = None) -> None:
        """Publish the events of [start, end), and tick up to `end`."""
        replayer = Replayer(self.settings.kafka_bootstrap, self.codec, self.project.source_plans)
        streams = [self._watched(stream) for stream in events(start, end)]
        counts = replayer.run(streams, until=end, speed=speed)
        assert counts.refused == 0
        self.published += Counter(counts.published)

    def _watched(self, stream: Iterable[Event]) -> Iterator[Event]:
        for event in stream:
            self.at = max(self.at, event.at)
            yield event

    def check(self, end: int) -> None:
        """Hold everything that came out of the log before `end` to what went in."""
        self.settle(end)
        stored = {s: self.query(f"SELECT count() FROM {s} FINAL")[0][0] for s in self.project.source_plans}
        assert stored == self.published
        for plan in self.plans:
            found = self.backfilled(plan, end)
            assert (found.mismatches, found.first) == (0, ())
            assert found.compared > 0
            by_entity = (
                "SELECT uniqExact(seq) AS n, max(seq) AS top, uniqExact(tuple(*)) AS d "
                f"FROM {plan.table} GROUP BY entity"
            )
            identities, distinct, gaps = self.query(
                f"SELECT sum(n), sum(d), countIf(top != n) FROM ({by_entity})"
            )[0]
            assert identities == distinct, f"{plan.label}: rows written twice that are not the same"
            assert gaps == 0, f"{plan.label}: entities with a gap in seq"
            assert self.wrong_in_store(plan) == []
        assert self.dead_letters(self.project.source_plans) == {}


@pytest.fixture(scope="module")
def flights(stack: Stack, flink_client: JavaGateway) -> Iterator[Flights]:
    flights = Flights(stack)
    yield flights
    flights.close()


def test_all_goes_in_and_both_engines_agree(flights: Flights) -> None:
    assert flights.applied.jobs.keys() == flights.project.group_plans.keys()
    flights.replay(START, MIDDLE)
    flights.check(MIDDLE)


def test_what_stands_is_left_as_it_is(flights: Flights) -> None:
    found = {change.label: change.kind for change in preview(flights.project, flights.settings)}
    assert {found[label] for label in flights.project.group_plans} == {ChangeKind.UNCHANGED}
    again = flights.apply()
    assert again.jobs == {}
    assert again.topics == []


def test_parts_that_are_killed_lose_nothing_and_count_nothing_twice(flights: Flights) -> None:
    with ThreadPoolExecutor(1) as pool:
        replay = pool.submit(flights.replay, MIDDLE, END, DAY / 1000 / KILLED_DAY_S)
        victims = ("materialiser", "flink-taskmanager", "sink")
        for number, victim in enumerate(victims, start=3):
            reached = MIDDLE + number * DAY // 8
            until(lambda: flights.at > reached or replay.done(), f"{victim}'s turn")  # noqa: B023
            assert not replay.done()
            flights.stack.kill(victim)
        for victim in reversed(victims):
            flights.stack.start(victim)
        replay.result()
    flights.check(END)
