"""What waits for each service in Kafka."""

from collections.abc import Sequence

from confluent_kafka import OFFSET_END, KafkaException, TopicPartition

from augury.settings import Settings
from schemas.log import consumer

_TIMEOUT_S = 2.0


class Waiting:
    """Counts the records that consumer groups have not committed; joins none of them."""

    def __init__(self, settings: Settings, groups: Sequence[str]) -> None:
        # Who looks is told by the count that is missing, not by the client's own lines among the tables.
        options: dict[str, str | float] = {"log_level": 0, **settings.kafka_client()}
        self._readers = {group: consumer(settings.kafka_bootstrap, group, **options) for group in groups}

    def count(self, group: str) -> int | None:
        """Count what waits in the partitions that the group has committed; None where Kafka does not tell."""
        reader = self._readers[group]
        try:
            topics = reader.list_topics(timeout=_TIMEOUT_S).topics.values()
            places = [TopicPartition(topic.topic, number) for topic in topics for number in topic.partitions]
            begun = [p for p in reader.committed(places, timeout=_TIMEOUT_S) if p.offset >= 0]
            asked = [TopicPartition(place.topic, place.partition, OFFSET_END) for place in begun]
            ends = reader.offsets_for_times(asked, timeout=_TIMEOUT_S) if asked else []
        except KafkaException:
            return None
        upto = {(end.topic, end.partition): end.offset for end in ends}
        return sum(max(0, upto[place.topic, place.partition] - place.offset) for place in begun)

    def close(self) -> None:
        """Close the clients."""
        for reader in self._readers.values():
            reader.close()
