"""The registry's database: connections, locks and migrations."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.orm import Session

_BUSY_SECONDS = 30
_PATIENCE = {"connect_timeout": 10, "keepalives_idle": 30, "tcp_user_timeout": 30_000}
"""How long PostgreSQL may take to connect (s), and its host be silent later (s; ms, until it is given up)."""


class Database:
    """SQLite (`sqlite:///file`) or PostgreSQL (`postgresql+psycopg://…`), by URL.

    SQLite writes in write-ahead mode; a writer takes the lock before it reads, so that what it decides
    by is still true when it commits, and waits up to 30 s for another writer. A PostgreSQL that does not
    connect is an `OperationalError` after 10 s, or as libpq's `connect_timeout` in the URL says; so is one
    whose host falls silent, after 30 s.
    """

    def __init__(self, url: str) -> None:
        self._lite = url.startswith("sqlite")
        self._rehearsing = ContextVar("rehearsing", default=False)
        stated = make_url(url).query
        waits = {name: value for name, value in _PATIENCE.items() if name not in stated}
        arguments = {"timeout": _BUSY_SECONDS} if self._lite else waits
        self.engine: Engine = create_engine(url, connect_args=arguments, pool_pre_ping=not self._lite)
        if self._lite:
            event.listen(self.engine, "connect", _prepare)
            event.listen(self.engine, "begin", _begin)

    def migrate(self) -> None:
        """Bring the tables to this version of the code; safe to call from several processes at once."""
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        with self.engine.begin() as connection:
            self.lock(connection, "migrate")
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Give a session that sees one state of the database and takes no lock."""
        with Session(self.engine.execution_options(augury_reads=True)) as session, session.begin():
            yield session

    @contextmanager
    def writing(self, name: str) -> Iterator[Session]:
        """Give a session in one transaction; writers of the same `name` go one after another."""
        with Session(self.engine) as session, session.begin() as transaction:
            self.lock(session.connection(), name)
            yield session
            if self._rehearsing.get():
                session.flush()  # what the database itself refuses shows too
                transaction.rollback()

    @contextmanager
    def rehearsing(self) -> Iterator[None]:
        """Take back each transaction that is written inside, by this thread, once it is through."""
        token = self._rehearsing.set(True)
        try:
            yield
        finally:
            self._rehearsing.reset(token)

    def lock(self, connection: Connection, name: str) -> None:
        """Let writers of `name` go one after another until the transaction ends; SQLite has one at a time."""
        if not self._lite:
            connection.execute(
                text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": name}
            )


def _prepare(connection: Any, _record: object) -> None:  # noqa: ANN401 (the driver's connection)
    connection.isolation_level = None  # the driver's own BEGIN would come too late to lock
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin(connection: Connection) -> None:
    reads = connection.get_execution_options().get("augury_reads", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
