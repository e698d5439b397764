"""The agent that watches freshness: Faust reads the reports, keeps what is known in a table, has a timer.

What follows is decided in `streams.freshness`. The table's changelog brings it back after a kill, and an
alert's id is a function of what it is about, so that one which is sent again is the same.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event
from typing import Any

import faust

from schemas.codec import Codec, RefusedRecordError
from schemas.log import Topic, UndeliveredError
from streams.freshness import FRESH, Changes, Known, Limits, heard, judged
from streams.reporter import REPORTS

APP, TABLE = "augury.freshness", "known"
CHANGELOG = Topic(f"{APP}-{TABLE}-changelog", config={"cleanup.policy": "compact"})
"""Where the table is kept. Faust would make it itself, and wait for a leader of its own."""
_LOOK = b""  # a record of the topic that asks to look at its key's group
_STOP_S = 0.2
_RETRY_S = 1.0
_log = logging.getLogger(__name__)


class FreshnessAgent:
    """Raises and resolves alerts of freshness for the groups of `limits`, by label; `send` takes the changes.

    `clock` gives ms since the epoch, by which groups that nobody reports are judged every `every_s`; `folder`
    is Faust's own. `security` are further options of `faust.App`, such as `broker_credentials`. `send` may
    raise `UndeliveredError`, and is called again then.
    """

    def __init__(
        self,
        bootstrap: str,
        codec: Codec,
        limits: Mapping[str, Limits],
        send: Callable[[Changes], None],
        clock: Callable[[], int],
        folder: Path,
        every_s: float,
        **security: Any,  # noqa: ANN401 (Faust's)
    ) -> None:
        self._bootstrap = bootstrap
        self._codec = codec
        self._limits = limits
        self._send = send
        self._clock = clock
        self._folder = folder
        self._every_s = every_s
        self._security = security
        self._started = clock()
        self.verdicts = dict.fromkeys(limits, FRESH)

    def run(self, stop: Event, ready: Callable[[], None] = lambda: None) -> None:
        """Watch until `stop` is set; `ready` is called when reports are about to be read.

        Raises what Faust cannot recover from.
        """
        asyncio.run(self._run(stop, ready))

    async def _run(self, stop: Event, ready: Callable[[], None]) -> None:
        app = faust.App(
            APP,
            broker=[f"kafka://{server}" for server in self._bootstrap.split(",")],
            datadir=self._folder,
            store="memory://",
            web_enabled=False,
            topic_allow_declare=False,
            topic_disable_leader=True,
            topic_partitions=1,
            consumer_auto_offset_reset="latest",
            # after a kill the next agent reads when the killed one is taken for dead: a minute by default
            broker_session_timeout=6.0,
            broker_heartbeat_interval=1.5,
            broker_rebalance_timeout=6.0,
            **self._security,
        )
        table: Any = app.Table(TABLE, partitions=1)
        reports = app.topic(
            REPORTS, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
        )

        async def listen(stream: Any) -> None:  # noqa: ANN401 (Faust's)
            async for key, value in stream.items():
                found = self._heard(key, value, table)
                if found is None:
                    continue
                label, known, now = found
                known, changes = judged(self._limits[label], known, now)
                await self._sent(changes, stop)
                table[label] = json.dumps(known.to_dict())
                self.verdicts[label] = known.verdict

        async def look() -> None:
            # Only a stream may write to its table, so what a look would change is asked for in the stream.
            for label, limits in self._limits.items():
                known = self._known(table, label)
                if judged(limits, known, self._now(known))[0] != known:
                    await reports.send(key=label.encode(), value=_LOOK, partition=0)

        app.agent(reports)(listen)
        app.timer(self._every_s)(look)
        app.on_rebalance_complete.connect(lambda *_a, **_k: ready(), weak=False)
        async with app:
            while not stop.is_set() and not app.should_stop:
                await asyncio.sleep(_STOP_S)
            if app.crash_reason is not None:
                raise app.crash_reason

    def _heard(
        self, key: bytes | None, value: bytes | None, table: Mapping[str, str]
    ) -> tuple[str, Known, int] | None:
        """Give the group that a record is of, what is known of it now, and when to judge it."""
        if not value:  # a look
            label = (key or b"").decode()
            if label not in self._limits:
                return None
            known = self._known(table, label)
            return label, known, self._now(known)
        try:
            report = self._codec.decode(value)
        except RefusedRecordError as error:
            _log.error("a report of freshness is refused: %s", error)
            return None
        label = f"{report['group']}.v{report['version']}"
        if label not in self._limits:
            return None
        known = heard(_read(table.get(label)), report)
        return (
            label,
            known,
            known.seen_at,
        )  # after a kill reports are read again, and the past is not judged anew

    def _known(self, table: Mapping[str, str], label: str) -> Known:
        """Give what is known of a group; of one that nobody has ever reported, that it was awaited."""
        return _read(table.get(label)) or Known(self._started, self._started)

    def _now(self, known: Known) -> int:
        return max(known.seen_at, self._clock())

    async def _sent(self, changes: Changes, stop: Event) -> None:
        while changes.alerts or changes.states:
            try:
                await asyncio.to_thread(self._send, changes)
                return
            except UndeliveredError as error:
                _log.warning("an alert of freshness is sent again: %s", error)
                if stop.is_set():
                    raise
                await asyncio.sleep(_RETRY_S)


def _read(held: str | None) -> Known | None:
    return Known(**json.loads(held)) if held else None
