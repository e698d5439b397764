"""Handing a group version over from history to stream: its job need not read the log from the beginning."""

import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from augury.clients import codec
from augury.clock import wall_ms
from augury.settings import Settings
from features.handover import Handover, HandoverError, check_handover, seed_schema
from features.plan import GroupPlan
from schemas.log import Topic, create_topics, delete_topics, deliver, producer
from warehouse.backfill import backfill, events_held, log_clock
from warehouse.client import Client
from warehouse.handover import handover, last_rows, record_handover, seed, take_over

Report = Callable[[str, int, int], None]
"""Told what is done now, how much of it, and how much there is."""


def hand_over(plan: GroupPlan, settings: Settings, client: Client, report: Report) -> Handover | None:
    """Write what the version's rows and events were before a cut, and give what its job begins with.

    None where the warehouse holds no events: there is no history. The cut stays from the first try on; one
    that was killed is gone on with. Raises `HandoverError` where the group cannot be handed over, or the
    warehouse has not read all partitions.
    """
    check_handover(plan)
    begun = handover(client, plan.name, plan.version)
    if begun is not None and begun.topic:
        return begun
    events = sum(events_held(client, source) for source in plan.inputs)
    if begun is None:
        if not events:
            return None
        cut = log_clock(client, *plan.inputs)
        if cut is None:
            topics = " and ".join(source.topic for source in plan.inputs)
            raise HandoverError(
                f"a cut is where all partitions have come to; the warehouse has not read all of {topics}, so "
                f"history would miss events of {plan.label}: is the sink running, and no partition empty?"
            )
        begun = Handover(cut, "")
        record_handover(client, plan, begun, wall_ms())
    label, memory = plan.label, settings.backfill_memory_mb << 20
    backfill(
        client,
        plan,
        0,
        begun.cut,
        memory=memory,
        report=lambda done, of: report(f"backfilling {label}", done, of),
    )
    take_over(client, plan, begun.cut)
    # the online store takes an entity's row from the topic, and an idle one has none after the cut
    _send(settings, plan.topic, plan.avro_schema(), last_rows(client, plan, begun.cut), lambda _: None)
    delete_topics(settings.kafka_bootstrap, f"seed.{label}.", **settings.kafka_client())
    topic = f"seed.{label}.{uuid.uuid4().hex[:8]}"  # what a try that was killed has written is in another
    partitions = max(source.partitions for source in plan.sources)
    create_topics(
        settings.kafka_bootstrap,
        [Topic(topic, partitions, {"retention.ms": "-1"})],
        **settings.kafka_client(),
    )
    blocks = seed(client, plan, begun.cut, memory)
    _send(settings, topic, seed_schema(plan), blocks, lambda n: report(f"seeding {label}", n, events))
    done = Handover(begun.cut, topic)
    record_handover(client, plan, done, wall_ms())
    return done


def _send(
    settings: Settings,
    topic: str,
    schema: Mapping[str, Any],
    blocks: Iterable[list[dict[str, Any]]],
    report: Callable[[int], None],
) -> None:
    """Write records, keyed by entity."""
    encode = codec(settings).encoder(topic, schema)
    sender, sent = producer(settings.kafka_bootstrap, **settings.kafka_client()), 0
    try:
        for block in blocks:
            deliver(
                sender, [{"topic": topic, "key": r["entity"].encode(), "value": encode(r)} for r in block]
            )
            sent += len(block)
            report(sent)
    finally:
        sender.close()
