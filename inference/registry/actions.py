"""What policies have set off by themselves, so that it can be bounded: each in one transaction."""

from collections.abc import Callable

from sqlalchemy import func, select

from features.windows import floor
from inference.registry import tables
from inference.registry.database import Database

_DAY_MS = 86_400_000


class Actions:
    """The rows of `actions`; `clock` gives ms since the epoch."""

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        self._database = database
        self._clock = clock

    def taken(self, model_name: str, action: str, alert_id: str) -> bool:
        """Tell whether an alert has taken an action."""
        key = {"model_name": model_name, "action": action, "alert_id": alert_id}
        with self._database.reading() as session:
            return session.get(tables.Action, key) is not None

    def take(
        self, model_name: str, action: str, *, alert_id: str, policy: str, at: int, per_day: int
    ) -> bool:
        """Take one of a model's `per_day` actions of a kind in the day of `at` (ms, the log's clock).

        False where all are taken. What an alert has taken it has: asked again, it takes no other.
        """
        day = floor(at, _DAY_MS)
        with self._database.writing(model_name) as session:
            taken = select(tables.Action).filter_by(model_name=model_name, action=action)
            if session.scalar(taken.filter_by(alert_id=alert_id)) is not None:
                return True
            count = select(func.count()).select_from(taken.filter_by(day=day).subquery())
            if (session.scalar(count) or 0) >= per_day:
                return False
            of = {"model_name": model_name, "action": action, "day": day}
            session.add(tables.Action(**of, alert_id=alert_id, policy=policy, taken_at=self._clock()))
            return True
