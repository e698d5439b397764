from collections.abc import Iterator
from pathlib import Path

import pytest

from augury.clients import warehouse
from augury.settings import Settings
from augury.stack import Stack
from tests.augury.served import END, LOG, PROJECT, plan
from tests.warehouse.history import EVER, create, write_log
from warehouse.backfill import backfill
from warehouse.client import Client, migrate


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A warehouse with a group backfilled as far as the log has come."""
    (tmp_path / "tried_project.py").write_text(PROJECT)
    monkeypatch.syspath_prepend(tmp_path)
    settings = Settings.with_free_ports(tmp_path / "home")
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    with Stack(settings, parts=("warehouse",)):
        client = warehouse(settings)
        migrate(client)
        create(client, plan())
        write_log(client, plan().source, LOG)
        backfill(client, plan(), EVER, END)
        yield client
        client.close()
