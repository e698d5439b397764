"""Days of real flights through the whole stack."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from py4j.java_gateway import JavaGateway
from typer.testing import CliRunner

from augury.cli import app
from augury.models import registry
from augury.preview import preview
from augury.replay import Replayer
from augury.stack import Stack
from examples.flights.events import events
from features.contracts import ChangeKind
from tests.end_to_end.world import World

DAY = 86_400_000
START = round(datetime(2013, 2, 1, tzinfo=UTC).timestamp() * 1000)
END = START + 3 * DAY

pytestmark = pytest.mark.stack


class Flights(World):
    """The example on the stack, and what was published to it."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack, "examples.flights")
        self.published: Counter[str] = Counter()

    def replay(self, start: int, end: int) -> None:
        """Publish the events of [start, end), and tick up to `end`."""
        replayer = Replayer(self.settings.kafka_bootstrap, self.codec, self.project.source_plans)
        counts = replayer.run(events(start, end), until=end)
        assert counts.refused == 0
        self.published += Counter(counts.published)

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
    flights.replay(START, END)
    flights.check(END)


def test_services_tell_what_they_did(flights: Flights) -> None:
    def scraped(service: str, name: str, label: str) -> dict[str, float]:
        text = httpx.get(f"http://127.0.0.1:{flights.settings.metrics_port(service)}/metrics").text
        found = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        return {s.labels[label]: s.value for s in found if s.name == name}

    for service in ("sink", "materialiser", "worker", "bridge", "flows"):
        assert service in scraped(service, "augury_build_info", "service")
    inserted = scraped("sink", "augury_rows_inserted_total", "table")
    assert {source: inserted[source] for source in flights.published} == flights.published
    written = scraped("materialiser", "augury_feature_rows_written_total", "group")
    assert written.keys() == {plan.name for plan in flights.plans}
    assert min(written.values()) > 0
    assert set(scraped("sink", "augury_log_lag_records", "topic").values()) == {0}


def test_who_asks_for_a_training_gets_one_version(flights: Flights) -> None:
    asked = ["train", "examples.flights", "late_arrival", "--name", "three-days"]
    for _ in range(2):
        told = CliRunner().invoke(app, asked, env=flights.settings.environment())
        assert told.exit_code == 0, told.output
        assert "late_arrival version 1 is registered, and its status is staging" in told.output
    with closing(registry(flights.settings)) as held:
        (version,) = held.versions("late_arrival")
        found = held.training_config("late_arrival")
        assert held.experiments.get(version.experiment_id).hyperparameters == found.hyperparameters
    assert (version.experiment_id, found.provenance["study"]) == (
        "late_arrival-three-days",
        "late_arrival-three-days-tuning",
    )


def test_what_stands_is_left_as_it_is(flights: Flights) -> None:
    found = {change.label: change.kind for change in preview(flights.project, flights.settings).changes}
    assert {found[label] for label in flights.project.group_plans} == {ChangeKind.UNCHANGED}
    again = flights.apply()
    assert again.jobs == {}
    assert again.topics == []
