"""What benchmarks share: results, tables, memory of a process, a warehouse of their own, peers' Python."""

import contextlib
import json
import math
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter

import psutil
from rich.console import Console
from rich.table import Table
from scipy.stats import binom

from benchmarks.peers.cost import peak_mb
from warehouse.client import Client, connect, migrate

ROOT = Path(__file__).resolve().parent
CACHE = ROOT / ".cache"
PEERS = ROOT / "peers"


@dataclass(frozen=True)
class Result:
    """One figure: of which system, at which work."""

    workload: str
    system: str
    metric: str
    value: float | str
    unit: str


def write(name: str, results: Sequence[Result]) -> Path:
    """Write `results/<name>.json`."""
    path = ROOT / "results" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps([asdict(r) for r in results], indent=2) + "\n", encoding="utf-8")
    return path


def show(results: Sequence[Result], notes: Sequence[str] = ()) -> None:
    """Print a table with a row for each system and workload, and a column for each metric."""
    metrics = list(dict.fromkeys(r.metric for r in results))
    units = {r.metric: r.unit for r in results}
    heads = [f"{m} ({units[m]})" if units[m] else m for m in metrics]
    table = Table("workload", "system", *heads)
    for workload, system in dict.fromkeys((r.workload, r.system) for r in results):
        held = {r.metric: r.value for r in results if (r.workload, r.system) == (workload, system)}
        table.add_row(workload, system, *(_spelled(held.get(m, "")) for m in metrics))
    console = Console(width=None if sys.stdout.isatty() else 240)  # a file has no width to keep
    console.print(table)
    for note in notes:
        console.print(f"- {note}")


def _spelled(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.2f}"


def too_often(times: float, runs: float, chance: float) -> bool:
    """Tell whether so many of some runs come once in a thousand times, or less, where each has `chance`."""
    return bool(binom.sf(round(times) - 1, round(runs), chance) < 0.001)


@dataclass(frozen=True)
class Cost:
    """What some work took: seconds by the clock and of all cores together, and the greatest memory in MiB."""

    seconds: float
    cpu_s: float
    peak_mb: float


@dataclass(frozen=True)
class Warehouse:
    """The embedded warehouse in a process and a folder of its own."""

    client: Client
    process: int

    def measured(self, work: Callable[[], object]) -> Cost:
        """Do some work, and tell what it cost the warehouse's process."""
        seen = psutil.Process(self.process)
        with contextlib.suppress(OSError):  # where the kernel refuses, the peak is that since its start
            Path(f"/proc/{self.process}/clear_refs").write_text("5", encoding="ascii")
        before, started = sum(seen.cpu_times()[:2]), perf_counter()
        work()
        seconds, cpu = perf_counter() - started, sum(seen.cpu_times()[:2]) - before
        return Cost(seconds, cpu, peak_mb(self.process))


@contextlib.contextmanager
def warehouse(memory_mb: int) -> Iterator[Warehouse]:
    """Run a warehouse; its folder goes with it."""
    CACHE.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="warehouse-", dir=CACHE))
    command = [sys.executable, "-m", "warehouse.door", "--path", str(folder), "--port", "0"]
    process = subprocess.Popen([*command, "--memory", str(memory_mb)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        ready = process.stdout.readline()
        if not ready:
            raise RuntimeError("the warehouse did not start")
        client = connect(ready.split()[-1])
        migrate(client)
        yield Warehouse(client, process.pid)
        client.close()
    finally:
        process.terminate()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
        shutil.rmtree(folder, ignore_errors=True)


def export(client: Client, sql: str, path: Path) -> None:
    """Write what a query selects as Parquet, for those who read files."""
    stream = client.raw_stream(sql, fmt="Parquet")
    with path.open("wb") as file:
        for piece in stream:
            file.write(piece)


def measured_apart(module: str, *arguments: str) -> list[Result]:
    """Run one size of a benchmark in a process of its own, which prints its results as JSON."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return [Result(**found) for found in json.loads(done.stdout)]


def peers_python(environment: str) -> Path:
    """Give a Python that has what `peers/<environment>.txt` pins; made by uv where it is missing."""
    requirements = PEERS / f"{environment}.txt"
    folder, stamp = CACHE / environment, CACHE / environment / "pinned.txt"
    python = folder / "bin" / "python"
    pinned = requirements.read_text(encoding="utf-8")
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != pinned:
        uv = shutil.which("uv") or str(ROOT.parent / ".tools" / "bin" / "uv")
        subprocess.run(
            [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)], check=True
        )
        # without the project's configuration, whose overrides are for Augury's own environment
        install = [uv, "pip", "install", "--no-config", "--quiet", "--python", str(python)]
        subprocess.run([*install, "-r", str(requirements)], check=True)
        stamp.write_text(pinned, encoding="utf-8")
    return python


def run_peer(
    module: str,
    *arguments: str,
    timeout: float,
    memory_mb: float = math.inf,
    environment: str = "requirements",
) -> Cost | str:
    """Run a peer's module in a process of its own; it tells its cost. Else tell why there is none."""
    command = [str(peers_python(environment)), "-m", f"benchmarks.peers.{module}", *arguments]
    end = perf_counter() + timeout
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT.parent) as process:
        while True:
            try:
                printed, _ = process.communicate(timeout=0.2)
                break
            except subprocess.TimeoutExpired:
                resident = _resident_mb(process.pid)
            if resident > memory_mb or perf_counter() > end:
                process.kill()
                return f"over {memory_mb:,.0f} MiB" if resident > memory_mb else f"over {timeout:,.0f} s"
    return f"failed, status {process.returncode}" if process.returncode else Cost(**json.loads(printed))


def _resident_mb(process: int) -> float:
    try:
        return float(psutil.Process(process).memory_info().rss) / (1 << 20)
    except psutil.NoSuchProcess:  # it ended just now
        return 0.0
