"""The ClickHouse engine in this process; there can be one at a time, in memory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import chdb
import pyarrow as pa

Query = Callable[[str], list[dict[str, Any]]]
"""Runs one statement; gives the rows of a SELECT."""


@contextmanager
def in_process() -> Iterator[Query]:
    """Open an empty engine."""
    connection: Any = chdb.connect(":memory:")

    def query(sql: str) -> list[dict[str, Any]]:
        stream = connection.query(sql, "ArrowStream").bytes()
        rows: list[dict[str, Any]] = pa.ipc.open_stream(stream).read_all().to_pylist() if stream else []
        return rows

    try:
        yield query
    finally:
        connection.close()
