"""Policies as rows, which SQL can read."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sqlalchemy import select

from inference.registry import tables
from inference.registry.database import Database


class Policies:
    """The policies of all models on a database; `clock` gives ms since the epoch."""

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        self._database = database
        self._clock = clock

    def save(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Insert or replace policies; each row names its table under `policy` and has its columns beside."""
        with self._database.writing("policies") as session:
            for row in rows:
                values = {name: value for name, value in row.items() if name != "policy"}
                session.merge(tables.POLICIES[row["policy"]](**values, updated_at=self._clock()))

    def of(self, policy: str) -> list[dict[str, Any]]:
        """Give the rows of `evaluation_policy`, `drift_policy` or `monitoring_policy`."""
        table = tables.POLICIES[policy].__table__
        with self._database.reading() as session:
            return [dict(row) for row in session.execute(select(table)).mappings()]
