"""What gates have found before a version was registered, or was not."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass

from sqlalchemy import select

from inference.registry import tables
from inference.registry.database import Database


@dataclass(frozen=True)
class GateResult:
    """What one gate found: its rule, the value that it saw, and what a failure means."""

    gate: str
    passed: bool
    rule: str
    value: str
    consequence: str


class Gates:
    """The rows of `model_gate_results`; `clock` gives ms since the epoch."""

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        self._database = database
        self._clock = clock

    def record(self, model_name: str, experiment_id: str, results: Iterable[GateResult]) -> None:
        """Keep what gates found, for ever; of a gate that is asked again the newest result holds."""
        with self._database.writing(model_name) as session:
            for result in results:
                found = asdict(result)
                session.add(
                    tables.GateRow(
                        experiment_id=experiment_id, model_name=model_name, at=self._clock(), **found
                    )
                )

    def results(self, experiment_id: str) -> list[GateResult]:
        """Give what holds of an experiment, gate by gate in the order in which they were first asked."""
        rows = select(tables.GateRow).filter_by(experiment_id=experiment_id)
        with self._database.reading() as session:
            held = {row.gate: row for row in session.scalars(rows.order_by(tables.GateRow.position))}
            names = GateResult.__dataclass_fields__
            return [GateResult(**{name: getattr(row, name) for name in names}) for row in held.values()]
