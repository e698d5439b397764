"""What a peer's work cost, as `benchmarks.common.run_peer` reads it."""

import json
import resource
from pathlib import Path
from time import perf_counter


def tell(started: float) -> None:
    """Print the seconds since `started`, those of all cores together, and the greatest memory in MiB."""
    seconds = perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = used.ru_utime + used.ru_stime
    print(json.dumps({"seconds": seconds, "cpu_s": cpu, "peak_mb": peak_mb()}))


def peak_mb(process: int | str = "self") -> float:
    """Give the greatest memory of a process in MiB, which `ru_maxrss` would mix with its parent's."""
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
