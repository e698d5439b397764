"""Experiments as they were recorded."""

from inference.registry import tables
from inference.registry.database import Database
from inference.registry.records import Experiment

_FIELDS = tuple(Experiment.__dataclass_fields__)


class Experiments:
    """What was trained, for ever."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, experiment_id: str) -> Experiment:
        """Give an experiment; raises `LookupError` for an unknown one."""
        with self._database.reading() as session:
            row = session.get(tables.Experiment, experiment_id)
            if row is None:
                raise LookupError(
                    f"an experiment is known by its id, and nothing is known of {experiment_id!r}"
                )
            return Experiment(**{name: getattr(row, name) for name in _FIELDS})
