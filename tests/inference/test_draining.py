import asyncio
import signal

import pytest
import uvicorn

from inference import draining
from inference.draining import Drain, DrainingServer
from inference.records import RequestError


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, in its only place."""
    held = [100.0]
    monkeypatch.setattr(draining, "monotonic", lambda: held[0])
    return held


def stops(server: DrainingServer) -> bool:
    return asyncio.run(server.on_tick(1))


def server(seconds: float) -> DrainingServer:
    return DrainingServer(uvicorn.Config(lambda: None, log_level="critical"), Drain(seconds))  # type: ignore[arg-type]


def test_a_door_drains_for_its_time_and_then_stops(now: list[float]) -> None:
    drain = Drain(5)
    told = DrainingServer(uvicorn.Config(lambda: None), drain)  # type: ignore[arg-type]
    drain.check()
    assert not stops(told)
    told.handle_exit(signal.SIGTERM, None)
    with pytest.raises(RequestError, match="answers for another 5 s and is not ready") as refused:
        drain.check()
    assert refused.value.kind == "draining"
    now[0] += 4.9
    assert not stops(told)
    now[0] += 0.2
    assert stops(told)


@pytest.mark.parametrize(
    ("seconds", "signals"),
    [
        (0, [signal.SIGTERM]),
        (600, [signal.SIGINT]),
        (600, [signal.SIGTERM] * 2),
        (600, [signal.SIGTERM, signal.SIGINT]),
    ],
)
def test_what_cannot_wait_stops_at_once(now: list[float], seconds: float, signals: list[int]) -> None:
    told = server(seconds)
    for each in signals:
        assert not stops(told)
        told.handle_exit(each, None)
    assert stops(told)
