"""The engines: ClickHouse in this process, Flink with all that stands behind it on the stack."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from py4j.java_gateway import JavaGateway

from augury.stack import Stack
from tests.conformance.clickhouse import ClickHouse
from tests.conformance.flink import Flink
from tests.warehouse.engine import in_process


@pytest.fixture(scope="module")
def clickhouse() -> Iterator[ClickHouse]:
    with in_process() as query:
        yield ClickHouse(query)


@pytest.fixture(scope="module")
def clickhouse_in_stretches(clickhouse: ClickHouse) -> ClickHouse:
    """The same engine, as it computes entities whose rows it cannot hold at once."""
    return replace(clickhouse, stretch=3)


@pytest.fixture(scope="package")
def flink(stack: Stack, flink_client: JavaGateway) -> Iterator[Flink]:
    flink = Flink(stack)
    yield flink
    flink.close()
