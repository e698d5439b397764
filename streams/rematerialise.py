"""A group's rows in the online store, put back to what they were at a former time, out of the log.

That begins a new epoch. Within an epoch the store never goes back; a new one begins with older rows, and
from then on each entity has a floor, the newest `seq` that the log held: what is no newer belongs to the
epoch before, and no restart of a job or of a materialiser brings it back.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition
from redis import Redis

from features.layout import Layout, epoch_key, floors_key, row_key
from schemas.codec import Codec, RefusedRecordError
from streams.materialiser import SEQ_AT

_KEYS_PER_SCRIPT = 500  # the store serves nobody else while a script runs
_TIMEOUT_S = 30.0

# KEYS: floors, epoch, rows. ARGV: the epoch of this run, where `seq` lies, then floor and value of each row;
# an empty value is none. A row that came to the store after the log was read is above its floor, and stays.
_PUT_BACK = """
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
local at = tonumber(ARGV[2])
for i = 3, #KEYS do
  local floor, value = ARGV[2 * i - 3], ARGV[2 * i - 2]
  redis.call('HSET', KEYS[1], KEYS[i], floor)
  local held = redis.call('GETRANGE', KEYS[i], at - 1, at + 6)
  if #held < 8 or struct.unpack('<i8', held) <= tonumber(floor) then
    if #value == 0 then redis.call('DEL', KEYS[i]) else redis.call('SET', KEYS[i], value) end
  end
end
return 1
"""


class SupersededError(RuntimeError):
    """Another run has begun a newer epoch meanwhile, and its rows are the ones that hold."""


@dataclass(frozen=True)
class PutBack:
    """What was done: the new epoch, entities whose row is an older one now, and those that have none now.

    `entities` counts all that the log knows; the rest had no newer row.
    """

    epoch: int
    entities: int
    older: int
    removed: int


@dataclass
class _Found:
    """The newest `seq` of an entity in the log, and its row as of the time, if there was one."""

    last: int = -1
    seq: int = -1
    value: bytes = b""


def rematerialise(
    reader: Consumer,
    redis: Redis,
    codec: Codec,
    group: tuple[str, int],
    layout: Layout,
    topic: str,
    as_of: int,
) -> PutBack:
    """Put each entity's row back to its newest with `event_timestamp` up to `as_of` (ms).

    `group` is name and version. Reads the whole topic; `reader` has `enable.partition.eof` and is closed by
    who opened it. Jobs and materialisers may run meanwhile: rows that come after the log was read are the new
    epoch's. Raises `SupersededError`, and `KafkaException`, after which it is run again.
    """
    epoch = int(redis.incr(epoch_key(*group)))
    found: dict[str, _Found] = {}
    for payload in _records(reader, topic):
        try:
            row = codec.decode(payload)
            key, seq, value = row_key(*group, row["entity"]), row["seq"], layout.pack(row)
        except (RefusedRecordError, KeyError, struct.error):
            continue  # the materialiser has said so
        entity = found.setdefault(key, _Found())
        entity.last = max(entity.last, seq)
        if row["event_timestamp"] <= as_of and seq >= entity.seq:
            entity.seq, entity.value = seq, value
    keys = list(found)
    for start in range(0, len(keys), _KEYS_PER_SCRIPT):
        _put_back(redis, group, epoch, {key: found[key] for key in keys[start : start + _KEYS_PER_SCRIPT]})
    removed = sum(entity.seq < 0 for entity in found.values())
    older = sum(0 <= entity.seq < entity.last for entity in found.values())
    return PutBack(epoch, len(found), older, removed)


def _put_back(redis: Redis, group: tuple[str, int], epoch: int, rows: Mapping[str, _Found]) -> None:
    keys = (floors_key(*group), epoch_key(*group), *rows)
    values = [part for found in rows.values() for part in (str(found.last), found.value)]
    if not redis.eval(_PUT_BACK, len(keys), *keys, str(epoch), str(SEQ_AT), *values):
        raise SupersededError(
            "one run at a time puts a group's rows back; another has begun the next epoch, so not all "
            f"rows of epoch {epoch} of {group[0]}.v{group[1]} were written"
        )


def _records(reader: Consumer, topic: str) -> Iterator[bytes]:
    """Read all records of a topic, up to where each partition ends when it is reached."""
    described = reader.list_topics(topic, timeout=_TIMEOUT_S).topics[topic]
    if described.error is not None:
        raise KafkaException(described.error)
    left = set(described.partitions)
    reader.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in left])
    while left:
        message = reader.poll(_TIMEOUT_S)
        if message is None:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        error = message.error()
        if error is None:
            value = message.value()
            if value:
                yield value
        elif error.code() == KafkaError._PARTITION_EOF:
            left.discard(message.partition())
        else:
            raise KafkaException(error)
