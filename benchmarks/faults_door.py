"""The doors by a clock that signals step: an hour forth for SIGUSR1, an hour back for SIGUSR2."""

import signal
import sys
import threading
from collections.abc import Callable

from augury.clock import wall_ms
from augury.serving import access, addresses, spool
from augury.settings import Settings
from augury.stack.services import ready_file
from inference.serving import run_worker, serve_http

FORTH, BACK = signal.SIGUSR1, signal.SIGUSR2
PROGRAM = (sys.executable, "-m", "benchmarks.faults_door")
_HOUR_MS = 3_600_000


def stepped() -> Callable[[], int]:
    """Give a clock that the two signals step."""
    steps = [0]

    def step(number: int, _: object) -> None:
        steps[0] += _HOUR_MS if number == FORTH else -_HOUR_MS

    signal.signal(FORTH, step)
    signal.signal(BACK, step)
    return lambda: wall_ms() + steps[0]


def main() -> None:
    """Run the door that is named until SIGTERM."""
    settings, clock = Settings(), stepped()
    (door,) = sys.argv[1:]
    ready = ready_file(settings, door).touch
    if door == "http":
        serve_http(
            addresses(settings),
            host=settings.http_host,
            port=settings.http_port,
            spool=spool(settings),
            clock=clock,
            access=access(settings),
            ready=ready,
        )
        return
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    run_worker(addresses(settings), stop, batches=settings.batches_url, clock=clock, ready=ready)


if __name__ == "__main__":
    main()
