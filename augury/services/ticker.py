"""Clock ticks, so that quiet windows decay."""

import logging
from collections import Counter
from collections.abc import Callable
from threading import Event

from prometheus_client import CollectorRegistry

from augury.clock import wall_ms
from augury.settings import Settings
from augury.stack.part import PartError
from features.evaluation import EvaluationPolicy
from features.project import Project
from flows.bridge import GROUND_TRUTH
from schemas.log import UndeliveredError, deliver, producer
from schemas.metrics import Sampled, counter

_RETRY_S = 1.0
_log = logging.getLogger(__name__)


def run(
    project: Project, settings: Settings, stop: Event, ready: Callable[[], None], metrics: CollectorRegistry
) -> None:
    """Append a clock tick to every partition of every source each `tick_ms`, so that quiet windows decay.

    Where challengers are judged `ground_truth` has them too: trials are looked at also while no labels come.
    Ready once the log has taken the first. An outage of the log is waited out. Raises `PartError` in a
    replay, whose log would jump to now.
    """
    if settings.replay:
        raise PartError("ticks are the wall clock's, and a replay's log would jump to now; none was sent")
    sender = producer(settings.kafka_bootstrap, **settings.kafka_client())
    partitions = [(s.topic, p) for s in project.source_plans.values() for p in range(s.partitions)]
    if any(isinstance(policy, EvaluationPolicy) for policy in project.policies):
        partitions.append((GROUND_TRUTH, 0))
    written: Counter[str] = Counter()
    metrics.register(
        Sampled(lambda: [counter("augury_ticks_total", "Clock ticks in the log.", ("topic",), written)])
    )
    while not stop.is_set():
        now = wall_ms()
        ticks = [{"topic": t, "value": None, "partition": p, "timestamp": now} for t, p in partitions]
        try:
            deliver(sender, ticks)
        except UndeliveredError as error:
            _log.warning("the clocks stand still, and ticks are tried again: %s", error)
            stop.wait(_RETRY_S)
        else:
            written.update(topic for topic, _ in partitions)
            ready()
            stop.wait(settings.tick_ms / 1000)
