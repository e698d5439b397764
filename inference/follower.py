"""Following the registry: every event of a model, and a look at all of them now and then."""

import logging
import threading
import time

from confluent_kafka import Consumer

from inference.models import Models
from inference.registry.events import TOPIC
from schemas.codec import Codec

_LOOK_SECONDS = 5.0
_POLL_SECONDS = 0.5
_LOG = logging.getLogger(__name__)


def follow_registry(models: Models, consumer: Consumer, codec: Codec, stop: threading.Event) -> None:
    """Keep `models` at what the registry says until `stop`, and close the consumer.

    An event makes a change quick; the look at every 5 s makes it certain, for changes of the routing
    have no event and an event may be published late.
    """
    consumer.subscribe([TOPIC])
    looked = time.monotonic()
    try:
        while not stop.is_set():
            message = consumer.poll(_POLL_SECONDS)
            try:
                value = None if message is None or message.error() is not None else message.value()
                if value is not None:
                    models.refresh_one(codec.decode(value)["model_name"])
                if time.monotonic() - looked >= _LOOK_SECONDS:
                    models.refresh()
                    looked = time.monotonic()
            except Exception:  # an outage of the registry's database leaves what is loaded serving
                _LOG.exception("the registry could not be followed; what is loaded goes on serving")
                stop.wait(_POLL_SECONDS)
    finally:
        consumer.close()
