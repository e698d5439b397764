import socket

import pytest
from sqlalchemy.exc import OperationalError

from inference.registry import ConflictError, Registry
from inference.registry.database import Database
from tests.registered import register


def test_a_database_that_does_not_answer_is_not_waited_for_without_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes a connection, and says nothing
        port = silent.getsockname()[1]
        database = Database(f"postgresql+psycopg://a@127.0.0.1:{port}/b?connect_timeout=2")
        with pytest.raises(OperationalError, match="timeout"), database.reading() as session:
            session.connection()
        database.engine.dispose()


def test_what_is_rehearsed_is_refused_as_it_would_be_and_changes_nothing(registry: Registry) -> None:
    who = {"by": "a test", "why": "a test"}
    version = register(registry, "late", {}, **who)
    events = registry.history.events("late")
    with registry.rehearsing():
        registry.promote("late", version, **who)
        with pytest.raises(ConflictError):
            registry.rollback("late", **who)
    assert registry.champion("late") is None
    assert registry.history.events("late") == events
    registry.promote("late", version, **who)
    assert registry.champion("late") is not None
