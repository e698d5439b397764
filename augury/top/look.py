"""One look at a running system: scrapes of its processes, the clocks in Redis, what waits in Kafka."""

import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import httpx
from redis import RedisError

from augury.clients import online_store
from augury.load.door import http_client
from augury.settings import Settings
from augury.top.samples import Scrape
from augury.top.waiting import Waiting
from features.layout import unpack_clock

SERVICES = ("http", "worker", "materialiser", "sink", "bridge", "flows", "alerts", "freshness", "ticker")
_READERS = ("worker", "materialiser", "sink", "bridge", "alerts")
_CLOCK = re.compile(r"augury:(?P<group>.+):(?P<version>v\d+)@clock")
_TIMEOUT_S = 2.0


@dataclass(frozen=True)
class Look:
    """What was seen at a moment `at` (s since the epoch); what could not be asked is not there, or None.

    `scrapes` are by service, `clocks` (ms) by `<group>.v<version>`, `behind` the records that each service's
    consumer group has not committed.
    """

    at: float
    scrapes: Mapping[str, Scrape]
    clocks: Mapping[str, int] | None
    behind: Mapping[str, int]


class Observer:
    """Looks at the system that the settings name; `clock` gives ms since the epoch. A context manager."""

    def __init__(self, settings: Settings, clock: Callable[[], int], url: str | None = None) -> None:
        self._settings = settings
        self._clock = clock
        self._door = http_client(settings, url)
        self._door.timeout = httpx.Timeout(_TIMEOUT_S)
        self._redis = online_store(settings, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S)
        self._waiting = Waiting(settings, [f"augury.{name}" for name in _READERS])
        self._pool = ThreadPoolExecutor(len(SERVICES) + len(_READERS), "look")

    def look(self) -> Look:
        """Ask all at once, and wait for the slowest."""
        scraping = {name: self._pool.submit(self._scrape, name) for name in SERVICES}
        reading = {name: self._pool.submit(self._waiting.count, f"augury.{name}") for name in _READERS}
        clocks = self._clocks()
        scrapes = {name: found for name, asked in scraping.items() if (found := asked.result()) is not None}
        behind = {name: count for name, asked in reading.items() if (count := asked.result()) is not None}
        return Look(self._clock() / 1_000, scrapes, clocks, behind)

    def close(self) -> None:
        """Close the connections."""
        self._pool.shutdown()
        self._waiting.close()
        self._door.close()
        self._redis.close()

    def __enter__(self) -> "Observer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _scrape(self, service: str) -> Scrape | None:
        port = self._settings.metrics_port(service)
        if service != "http" and not port:
            return None
        host = self._settings.metrics_host
        ask = partial(self._door.get, "/metrics" if service == "http" else f"http://{host}:{port}/metrics")
        try:
            answer = ask()
            return Scrape.parse(answer.text, self._clock() / 1_000) if answer.is_success else None
        except (httpx.HTTPError, ValueError):
            return None

    def _clocks(self) -> dict[str, int] | None:
        clocks = {}
        try:
            for key in self._redis.scan_iter(match="augury:*@clock", count=1_000):
                named = _CLOCK.fullmatch(key.decode())
                value = self._redis.get(key)
                if named is not None and isinstance(value, bytes):
                    clocks[f"{named['group']}.{named['version']}"] = unpack_clock(value)
        except RedisError:
            return None
        return clocks
