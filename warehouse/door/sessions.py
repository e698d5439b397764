"""HTTP sessions: a connection that is kept between requests, with its settings and temporary tables."""

import asyncio
from collections.abc import Callable

from warehouse.door.engine import Connection, Engine
from warehouse.door.errors import refusal

LONGEST = 3600
# An answer's last bytes reach the client a moment before its session is free again.
PATIENCE = 1.0


class Session:
    """A kept connection. `lock` is held by the one request that uses it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.lock = asyncio.Lock()
        self.waiting = 0
        self.expires = 0.0
        self.timeout = 60.0


class Sessions:
    """The sessions by id; `clock` gives monotonic seconds."""

    def __init__(self, engine: Engine, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._clock = clock
        self._open: dict[str, Session] = {}

    async def take(self, session_id: str, timeout: float, check: bool) -> Session:
        """Return the session, locked; a new one where there is none, unless `check`.

        Raises DoorError where `check` finds none (372), or while another request uses it (373).
        """
        try:
            async with asyncio.timeout(PATIENCE):
                session = await self._locked(session_id, check)
        except TimeoutError:
            raise refusal(
                373, "SESSION_IS_LOCKED", f"Session {session_id} is locked by a concurrent client"
            ) from None
        session.timeout = min(timeout, LONGEST)
        return session

    def give_back(self, session_id: str, session: Session, close: bool) -> None:
        """Free a session for the next request, or end it."""
        session.expires = self._clock() + session.timeout
        # Whoever waits for the lock must find a closed session gone.
        if close and self._open.get(session_id) is session:
            del self._open[session_id]
        session.lock.release()
        if close:
            session.connection.close()

    def sweep(self) -> None:
        """Close what nobody has used for its time."""
        now = self._clock()
        idle = [
            session_id
            for session_id, session in self._open.items()
            if not session.lock.locked() and not session.waiting and 0 < session.expires < now
        ]
        for session_id in idle:
            self._open.pop(session_id).connection.close()

    def close(self) -> None:
        """Close every session."""
        for session in self._open.values():
            session.connection.close()
        self._open.clear()

    async def _locked(self, session_id: str, check: bool) -> Session:
        """Lock the session of that id; while this waits it may be closed, and another take its place."""
        while True:
            self.sweep()
            session = self._open.get(session_id)
            if session is None:
                if check:
                    raise refusal(372, "SESSION_NOT_FOUND", f"Session {session_id} not found")
                session = self._open[session_id] = Session(self._engine.connect())
            session.waiting += 1
            try:
                await session.lock.acquire()
            finally:
                session.waiting -= 1
            if self._open.get(session_id) is session:
                return session
            session.lock.release()
