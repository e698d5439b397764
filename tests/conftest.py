"""The embedded stack, up once for all tests that need it, and the Java client that submits to Flink."""

import os
import shutil
import signal
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from py4j.java_gateway import JavaGateway
from pyflink.java_gateway import get_gateway

from augury.settings import Settings
from augury.stack import Stack


def pytest_configure() -> None:
    """Let SIGTERM end the run as ^C does: fixtures are torn down, and their servers with them."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # before anything imports Prefect, which reads its settings then
    os.environ["PREFECT_HOME"] = tempfile.mkdtemp(prefix="augury-prefect-")  # noqa: TID251
    # A stack lives for minutes here, in which the second compiler costs more than it gains: a fifth of all.
    os.environ.setdefault("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1")  # noqa: TID251
    # one run tries what every other tries; a search for more is `--hypothesis-profile default`
    hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
    hypothesis.settings.load_profile("repeatable")


def pytest_unconfigure() -> None:
    """Forget what flows have kept."""
    shutil.rmtree(os.environ["PREFECT_HOME"], ignore_errors=True)  # noqa: TID251


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The whole stack on free ports in a folder of its own; each test names its topics, keys and tables.

    It is set for replays: no clock ticks come but those that a test writes.
    """
    home = Path(tempfile.mkdtemp(prefix="augury-"))
    settings = Settings.with_free_ports(home, checkpoint_interval_ms=1_000, replay=True)
    try:
        with Stack(settings) as running:
            yield running
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def flink_client() -> Iterator[JavaGateway]:
    """PyFlink's Java process, which everything that compiles or submits a job goes through; ended after."""
    with warnings.catch_warnings():
        # PyFlink starts the process and drops its handle and its pipes.
        warnings.simplefilter("ignore", ResourceWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        gateway = get_gateway()
    try:
        yield gateway
    finally:
        gateway.shutdown()
