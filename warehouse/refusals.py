"""What the sink refuses goes to `dead_letters`."""

from confluent_kafka import Producer

from schemas import records
from schemas.codec import Codec

TOPIC = "dead_letters"
ORIGIN = "sink"

_MOST_BYTES = 800_000  # of a payload: brokers take a million for a whole record by default
_TIMEOUT_S = 30.0


class UndeliveredError(RuntimeError):
    """The log did not take the dead letters in time; they are kept, and `ship` may be called again."""


class Refusals:
    """Dead letters that wait to be shipped. Shipped twice, they are one, by topic, partition and offset."""

    def __init__(self, producer: Producer, codec: Codec) -> None:
        self._producer = producer
        self._encode = codec.encoder(TOPIC, records.load("dead_letter"))
        self._waiting: list[tuple[str, bytes]] = []

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
        """Write what waits to the log, and return once the log holds it. Raises `UndeliveredError`."""
        if not self._waiting:
            return
        delivered: list[bool] = []
        for key, value in self._waiting:
            self._producer.produce(
                TOPIC, value, key, on_delivery=lambda error, _: delivered.append(error is None)
            )
            self._producer.poll(0)
        self._producer.flush(_TIMEOUT_S)
        if delivered.count(True) < len(self._waiting):
            raise UndeliveredError(
                f"every refused record must reach {TOPIC} before its offset is committed, and the log took "
                f"{delivered.count(True)} of {len(self._waiting)}"
            )
        self._waiting.clear()
