"""A version that begins at a cut: its backfill and its stream are together the rows of the whole log."""

from dataclasses import replace

import pytest

from augury.apply import cluster, log_addresses
from augury.handover import hand_over
from features.handover import HandoverError
from features.plan import GroupPlan
from schemas.log import Topic, create_topics
from streams.job import cancel, jobs, running, submit
from tests.conformance.engines import PLANS, Rows, differences, reference, seeded
from tests.conformance.flink import Flink
from tests.end_to_end.world import until
from warehouse.handover import handover
from warehouse.tables import group_tables

pytestmark = pytest.mark.stack


def in_order(rows: Rows) -> Rows:
    return sorted(rows, key=lambda row: (row["entity"], row["seq"]))


def hand(flink: Flink, plan: GroupPlan) -> None:
    """Hand a version over, and start its job, or start it from its checkpoint."""
    begun = hand_over(plan, flink.settings, flink.client, lambda _step, _done, _of: None)
    assert begun is not None
    submit(plan, log_addresses(flink.settings), cluster(flink.settings), handover=begun)


def end(flink: Flink, plan: GroupPlan) -> None:
    job = running(flink.settings.flink_url, plan.label)
    assert job is not None
    cancel(flink.settings.flink_url, job)
    ended = lambda: all(j.state == "CANCELED" for j in jobs(flink.settings.flink_url) if j.id == job.id)  # noqa: E731
    until(ended, f"the end of {plan.label}")


@pytest.mark.parametrize("name", ["at_once_rows", "anywhere_rows"])
def test_a_version_goes_on_from_history(flink: Flink, name: str) -> None:
    logs = flink.place(seeded(len(name), 160))
    own = next(log for log in logs if log.plan.name == name)
    plan = replace(own.plan, version=2)
    for log in logs:
        flink.publish(log.records[:90])
    flink.settled_sink()
    for statement in group_tables(plan):
        flink.client.command(statement)
    partitions = max(source.partitions for source in plan.sources)
    create_topics(flink.settings.kafka_bootstrap, [Topic(plan.topic, partitions, {"retention.ms": "-1"})])

    hand(flink, plan)
    begun = handover(flink.client, plan.name, plan.version)
    assert begun is not None
    emitted: Rows = []

    def come(rows: int) -> bool:
        emitted.extend(flink.read(plan))
        return len([row for row in own.of(emitted) if row["event_timestamp"] >= begun.cut]) >= rows

    for log in logs:
        flink.publish(log.records[90:130])
    until(lambda: come(1), "a row behind the cut")
    flink.checkpoint([plan])
    end(flink, plan)
    hand(flink, plan)  # from the checkpoint: the seed is not read again
    for log in logs:
        flink.publish(log.records[130:])
    flink.end()

    expected = in_order(reference([own])[0])
    until(lambda: come(len([r for r in expected if r["event_timestamp"] >= begun.cut])), "all rows")
    flink.checkpoint([plan])
    come(0)
    end(flink, plan)
    before = in_order(own.of(flink.rows(plan, plan.backfill_table)))
    assert before
    once = {(row["entity"], row["seq"]): row for row in own.of(emitted)}
    stream = [row for row in once.values() if row["event_timestamp"] >= begun.cut]
    assert all(row["event_timestamp"] < begun.cut for row in before)
    assert differences(in_order([*before, *stream]), expected) == []
    # what idle entities show is in the topic, and the stream's table is whole
    last = {row["entity"]: row for row in before}
    shown = in_order([row for row in once.values() if row["event_timestamp"] < begun.cut])
    assert differences(shown, list(last.values())) == []
    assert differences(in_order(own.of(flink.rows(plan, plan.table))), before) == []


def test_a_group_with_lookups_is_refused(flink: Flink) -> None:
    plan = next(plan for plan in PLANS if plan.lookups)
    with pytest.raises(HandoverError, match="looks up third"):
        hand_over(plan, flink.settings, flink.client, lambda _step, _done, _of: None)
    assert handover(flink.client, plan.name, plan.version) is None
