"""What the sink refuses goes to `dead_letters`."""

from confluent_kafka import Producer

from schemas import records
from schemas.codec import Codec
from schemas.log import deliver

TOPIC = "dead_letters"
ORIGIN = "sink"

_MOST_BYTES = 800_000  # of a payload: brokers take a million for a whole record by default


class Refusals:
    """Dead letters that wait to be shipped. Shipped twice, they are one, by topic, partition and offset."""

    def __init__(self, producer: Producer, codec: Codec) -> None:
        self._producer = producer
        self._encode = codec.encoder(TOPIC, records.load("dead_letter"))
        self._waiting: list[tuple[str, bytes]] = []
        self.shipped = 0

    def add(self, topic: str, partition: int, offset: int, reason: str, payload: bytes, at: int) -> None:
        """Refuse the record at (topic, partition, offset), whose Kafka time is `at` (ms)."""
        if len(payload) > _MOST_BYTES:
            reason += f" (payload cut to {_MOST_BYTES} of its {len(payload)} bytes)"
        letter = {
            "origin": ORIGIN,
            "topic": topic,
            "partition": partition,
            "offset": offset,
            "reason": reason,
            "payload": payload[:_MOST_BYTES],
            "at": at,
        }
        self._waiting.append((f"{ORIGIN}|{topic}|{partition}|{offset}", self._encode(letter)))

    def discard(self) -> None:
        """Forget what waits: its records will be read again."""
        self._waiting.clear()

    def ship(self) -> None:
        """Write what waits to the log, and return once the log holds it.

        Raises `UndeliveredError` if it does not in time; the letters are kept, and may be shipped again.
        """
        deliver(self._producer, [{"topic": TOPIC, "key": k, "value": v} for k, v in self._waiting])
        self.shipped += len(self._waiting)
        self._waiting.clear()
