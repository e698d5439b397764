from collections.abc import Iterator
from pathlib import Path

import pytest

from augury.clients import warehouse
from augury.settings import Settings
from augury.stack import Stack
from tests.flows.drifting import History
from warehouse.client import migrate


@pytest.fixture(scope="session")
def _warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    settings = Settings.with_free_ports(Path(tmp_path_factory.mktemp("drifting")))
    with Stack(settings, parts=("warehouse",)):
        client = warehouse(settings)
        migrate(client)
        yield History(client)
        client.close()


@pytest.fixture
def history(_warehouse: History) -> History:
    """A warehouse without answers, labels and rows."""
    _warehouse.clear()
    return _warehouse
