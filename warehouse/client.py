"""The connection to the warehouse, and its migrations."""

from pathlib import Path
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

__all__ = ["REFUSALS", "Client", "connect", "migrate"]

REFUSALS = (DatabaseError, OperationalError)
"""What a query that the server did not answer raises."""
_MIGRATIONS = Path(__file__).parent / "migrations"


def connect(
    url: str,
    *,
    database: str = "augury",
    user: str = "default",
    password: str = "",
    ca_file: Path | None = None,
) -> Client:
    """Connect to ClickHouse's HTTP interface at `url`, and create the database if it is missing.

    By `https` the server's certificate is checked, with `ca_file` against that authority alone. Threads may
    share the client. Raises `ConnectionError` if nobody answers, `clickhouse_connect`'s `DatabaseError` for a
    refused user.
    """
    try:
        server = _client(url, None, user, password, ca_file)
    except OperationalError as error:
        raise ConnectionError(f"the warehouse is looked for at {_bare(url)}, and nothing answers") from error
    try:
        known = server.query(
            "SELECT count() FROM system.databases WHERE name = {name:String}", parameters={"name": database}
        )
        if not known.result_rows[0][0]:
            server.command("CREATE DATABASE IF NOT EXISTS {name:Identifier}", parameters={"name": database})
    finally:
        server.close()
    return _client(url, database, user, password, ca_file)


def _bare(url: str) -> str:
    """Leave out of a URL who asks."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _client(url: str, database: str | None, user: str, password: str, ca_file: Path | None) -> Client:
    # Without a session, queries of one client run side by side.
    return clickhouse_connect.get_client(
        dsn=url,
        secure=url.startswith("https://"),  # the client heeds the scheme of no other port than 443 and 8443
        ca_cert=None if ca_file is None else str(ca_file),
        database=database,
        username=user,
        password=password,
        autogenerate_session_id=False,
        send_receive_timeout=3600,  # a statement of a backfill may take long
    )


def migrate(client: Client) -> list[str]:
    """Run the migrations that the client's database has not had, in order, and give their names.

    Each statement may be run twice, so one that a crash cut short is run again whole.
    """
    client.command(
        "CREATE TABLE IF NOT EXISTS schema_migrations (name String, "
        "applied_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')) "
        "ENGINE = ReplacingMergeTree ORDER BY name"
    )
    applied = {row[0] for row in client.query("SELECT name FROM schema_migrations").result_rows}
    missing = [file for file in sorted(_MIGRATIONS.glob("*.sql")) if file.stem not in applied]
    for file in missing:
        for statement in file.read_text(encoding="utf-8").split(";\n"):
            if statement.strip():
                client.command(statement)
        client.insert("schema_migrations", [[file.stem]], column_names=["name"])
    return [file.stem for file in missing]
