import socket

import pytest
from sqlalchemy.exc import OperationalError

from inference.registry.database import Database


def test_a_database_that_does_not_answer_is_not_waited_for_without_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes a connection, and says nothing
        port = silent.getsockname()[1]
        database = Database(f"postgresql+psycopg://a@127.0.0.1:{port}/b?connect_timeout=2")
        with pytest.raises(OperationalError, match="timeout"), database.reading() as session:
            session.connection()
        database.engine.dispose()
