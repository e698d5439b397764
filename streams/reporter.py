"""What the materialiser tells of its groups: how far each has come for its readers, and the log for it."""

import logging
from collections.abc import Callable, Mapping, Sequence
from threading import Event
from typing import Any

from confluent_kafka import KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # as in schemas.log
from redis import Redis
from redis.exceptions import RedisError

from features.layout import clock_key, unpack_clock
from features.plan import GroupPlan
from schemas.log import Topic, UndeliveredError, deliver

REPORTS = "features.freshness"
# Faust's client reads what is compressed only with further libraries.
TOPIC = Topic(REPORTS, config={"retention.ms": str(7 * 86_400_000), "compression.type": "uncompressed"})
_TIMEOUT_S = 10.0
_log = logging.getLogger(__name__)


class Reporter:
    """Writes a record of `features.freshness` for each group, every `every_s`; `clock` gives ms.

    An outage of the log is waited out; of the online store it tells that there is no clock.
    """

    def __init__(
        self,
        plans: Sequence[GroupPlan],
        redis: Redis,
        admin: AdminClient,
        producer: Producer,
        encode: Callable[[Mapping[str, Any]], bytes],
        clock: Callable[[], int],
        every_s: float,
    ) -> None:
        self._plans = plans
        self._redis = redis
        self._admin = admin
        self._producer = producer
        self._encode = encode
        self._clock = clock
        self._every_s = every_s

    def run(self, stop: Event) -> None:
        """Report until `stop` is set."""
        while not stop.is_set():
            try:
                self.report()
            except (KafkaException, UndeliveredError) as error:
                _log.warning("how fresh the groups are is told later: %s", error)
            stop.wait(self._every_s)

    def report(self) -> None:
        """Write one record for each group."""
        times = self._log_times()
        clocks = self._clocks()
        records = []
        for plan, clock in zip(self._plans, clocks, strict=True):
            held = [times[source.topic, p] for source in plan.sources for p in range(source.partitions)]
            record = {
                "group": plan.name,
                "version": plan.version,
                "at": self._clock(),
                "clock": clock,
                "log_time": None if None in held else min(t for t in held if t is not None),
            }
            records.append({"topic": REPORTS, "key": plan.label, "value": self._encode(record)})
        deliver(self._producer, records)

    def _clocks(self) -> list[int | None]:
        keys = [clock_key(plan.name, plan.version) for plan in self._plans]
        try:
            found: Any = self._redis.mget(keys) if keys else []
        except RedisError as error:
            _log.warning("the groups' clocks cannot be read: %s", error)
            return [None] * len(keys)
        return [None if value is None else unpack_clock(value) for value in found]

    def _log_times(self) -> dict[tuple[str, int], int | None]:
        """Give the time (ms) of the newest record of each partition of the sources; None of an empty one."""
        newest = OffsetSpec.max_timestamp()  # type: ignore[no-untyped-call]
        asked = {
            TopicPartition(source.topic, p): newest
            for plan in self._plans
            for source in plan.sources
            for p in range(source.partitions)
        }
        if not asked:
            return {}
        found = self._admin.list_offsets(asked, request_timeout=_TIMEOUT_S)
        times: dict[tuple[str, int], int | None] = {}
        for place, future in found.items():
            held = future.result(timeout=_TIMEOUT_S)
            times[place.topic, place.partition] = held.timestamp if held.offset >= 0 else None
        return times
