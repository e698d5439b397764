"""A source for tests of the sink. Run as a program, a sink of it; `main` names the arguments."""

import json
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from features.compile_inputs import compile_source
from features.definitions import Source
from features.inputs import SourcePlan
from schemas.codec import Codec
from schemas.log import consumer, producer
from schemas.registry import SchemaRegistry
from warehouse.client import connect
from warehouse.sink import READING, Sink
from warehouse.targets import source_target

SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "landed",
    "fields": [
        {"name": "id", "type": ["null", "string"], "default": None},
        {
            "name": "at",
            "type": ["null", {"type": "long", "logicalType": "timestamp-millis"}],
            "default": None,
        },
        {"name": "delay", "type": ["null", "double"], "default": None},
        {"name": "stops", "type": "int"},
        {"name": "diverted", "type": ["null", "boolean"], "default": None},
    ],
}


def landed(name: str, folder: Path) -> SourcePlan:
    """Compile the source `name`, with its schema file in `folder`."""
    file = folder / f"{name}.avsc"
    file.write_text(json.dumps(SCHEMA))
    return compile_source(
        Source(name, schema=file, event_time="at", event_id="id", partition_key="id", partitions=2)
    )


def main(bootstrap: str, registry: str, warehouse: str, database: str, name: str, folder: str) -> None:
    """Sink the source's topic until SIGTERM."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    source = landed(name, Path(folder))
    Sink(
        consumer(bootstrap, f"sink.{name}", **READING),
        connect(warehouse, database=database),
        Codec(SchemaRegistry(registry)),
        {source.topic: source_target(source)},
        producer(bootstrap),
        max_rows=500,
        max_seconds=0.2,
    ).run(stop)


if __name__ == "__main__":
    main(*sys.argv[1:])
