"""Dead letters of the doors: what was refused, by whom and why."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from inference.delivery import Outgoing
from schemas.codec import Codec
from schemas.records import load

DEAD_LETTERS = "dead_letters"
UNSENT = "delivery"
"""The origin of letters for records that Kafka did not take; their offset is a hash, their partition -1."""
_PAYLOAD_BYTES = 64 << 10
_REASON_CHARACTERS = 8 << 10


class Letters:
    """Writes dead letters small enough for any topic. `clock` gives ms since the epoch."""

    def __init__(self, codec: Codec, clock: Callable[[], int]) -> None:
        self._encode = codec.encoder(DEAD_LETTERS, load("dead_letter"))
        self._clock = clock

    def refused(
        self,
        origin: str,
        topic: str,
        partition: int,
        offset: int,
        at: int,
        payload: bytes | None,
        reason: str,
    ) -> Outgoing:
        """Give the letter of a record read at (topic, partition, offset), whose Kafka time is `at` (ms).

        A payload beyond 64 KiB is cut there, which the reason then says.
        """
        reason = reason[:_REASON_CHARACTERS]
        if payload is not None and len(payload) > _PAYLOAD_BYTES:
            reason += f" (the payload's first {_PAYLOAD_BYTES} of {len(payload)} bytes)"
            payload = payload[:_PAYLOAD_BYTES]
        letter: Mapping[str, Any] = {
            "origin": origin,
            "topic": topic,
            "partition": partition,
            "offset": offset,
            "reason": reason,
            "payload": payload,
            "at": at,
        }
        return Outgoing(DEAD_LETTERS, f"{topic}|{partition}|{offset}".encode(), self._encode(letter))

    def unsent(self, record: Outgoing, reason: str) -> Outgoing:
        """Give the letter, without payload, of a record that Kafka will never take."""
        # No offset was given to it; a hash keeps one letter a record, however often it is tried.
        digest = hashlib.sha256(record.key + record.value).digest()
        place = int.from_bytes(digest[:8], "big") >> 1
        key = record.key[:256].decode(errors="replace")
        text = f"Kafka does not take this record of {len(record.value)} bytes with key {key!r}: {reason}"
        return self.refused(UNSENT, record.topic, -1, place, self._clock(), None, text)
