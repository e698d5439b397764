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
    status = Path("/proc/self/status").read_text(encoding="ascii")  # ru_maxrss would be the parent's
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    print(json.dumps({"seconds": seconds, "cpu_s": cpu, "peak_mb": peak}))
