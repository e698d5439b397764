"""Asking for a batch of predictions, and following it."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from confluent_kafka import TopicPartition

from augury.clients import codec
from augury.settings import Settings
from inference.batches import BATCHES, PROGRESS
from schemas.log import consumer, deliver, producer
from schemas.records import TOPICS, load

_POLL_S = 0.5


class Batch(NamedTuple):
    """A batch of a file's rows: the model, which columns hold its entities' keys, whether to explain."""

    batch_id: str
    model: str
    version: int | None
    uri: str
    entities: Sequence[str]
    explain: bool = False


def score(batch: Batch, settings: Settings) -> Iterator[dict[str, Any]]:
    """Publish a batch, and give each record of its progress until it is over.

    Raises `schemas.log.UndeliveredError` where the log does not take it.
    """
    records, options = codec(settings), settings.kafka_client()
    encode = records.encoder(BATCHES, load(TOPICS[BATCHES]))
    reader = consumer(settings.kafka_bootstrap, f"augury.score.{batch.batch_id}", **options)
    try:
        partitions = reader.list_topics(PROGRESS, 30).topics[PROGRESS].partitions
        ends = [TopicPartition(PROGRESS, n) for n in partitions]
        for end in ends:  # before the batch is there, so that none of its progress is missed
            end.offset = reader.get_watermark_offsets(end, timeout=30)[1]
        reader.assign(ends)
        sender = producer(settings.kafka_bootstrap, **options)
        value = encode(
            {
                "batch_id": batch.batch_id,
                "model_name": batch.model,
                "model_version": batch.version,
                "uri": batch.uri,
                "entity_columns": list(batch.entities),
                "explain": batch.explain,
            }
        )
        deliver(sender, [{"topic": BATCHES, "key": batch.batch_id, "value": value}])
        sender.close()
        while True:
            message = reader.poll(_POLL_S)
            if message is None or message.error() is not None:
                continue
            progress = records.decode(message.value() or b"")
            if progress["batch_id"] == batch.batch_id:
                yield progress
                if progress["error"] is not None or progress["done"] == progress["total"]:
                    return
    finally:
        reader.close()
