"""The embedded stack, up once for all tests that need it."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from augury.settings import Settings
from augury.stack import Stack


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The whole stack on free ports in a folder of its own; each test names its topics, keys and tables."""
    home = Path(tempfile.mkdtemp(prefix="augury-"))
    try:
        with Stack(Settings.with_free_ports(home, checkpoint_interval_ms=1_000)) as running:
            yield running
    finally:
        shutil.rmtree(home, ignore_errors=True)
