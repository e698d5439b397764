"""Following the registry: every event of a model, and a look at all of them now and then."""

import logging
import threading
import time

from confluent_kafka import Consumer, Message

from inference.models import Models
from inference.registry.events import TOPIC
from schemas.codec import Codec, RefusedRecordError

_LOOK_SECONDS = 5.0
_POLL_SECONDS = 0.5
_LOG = logging.getLogger(__name__)


def follow_registry(models: Models, consumer: Consumer, codec: Codec, stop: threading.Event) -> None:
    """Keep `models` at what the registry says until `stop`, and close the consumer.

    An event makes a change quick; the look at every 5 s makes it certain, for changes of the routing
    have no event and an event may be published late. The look comes first, so that no event keeps it off.
    """
    consumer.subscribe([TOPIC])
    looked = time.monotonic()
    try:
        while not stop.is_set():
            message = consumer.poll(_POLL_SECONDS)
            try:
                if time.monotonic() - looked >= _LOOK_SECONDS:
                    models.refresh()
                    looked = time.monotonic()
                name = None if message is None else _model(message, codec)
                if name is not None:
                    models.refresh_one(name)
            except Exception:  # an outage of the registry's database leaves what is loaded serving
                _LOG.exception("the registry could not be followed; what is loaded goes on serving")
                stop.wait(_POLL_SECONDS)
    finally:
        consumer.close()


def _model(message: Message, codec: Codec) -> str | None:
    """Give the name of the model that an event is about; None for what is no event."""
    value = message.value()
    if message.error() is not None or value is None:
        return None
    try:
        name = codec.decode(value).get("model_name")
    except RefusedRecordError as error:  # the sink writes the dead letter
        _LOG.warning("a record of %s is no event and is passed over: %s", TOPIC, error)
        return None
    return name if isinstance(name, str) else None
