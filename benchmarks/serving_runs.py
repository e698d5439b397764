"""Runs of the load generator against several systems in turn, and the check of what they answer."""

import json
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from augury.settings import ROOT
from benchmarks.common import Result
from benchmarks.load import PERCENTILES, percentile
from benchmarks.serving_cases import Shape, Size, draws, nullable
from benchmarks.serving_systems import AUGURY, Found, Running, System
from benchmarks.serving_world import World

_OPEN_CONNECTIONS = 64
_INSIDE = 1_000  # as many requests as a door holds at a time; a batch is many
_LEAST_DRAWS = 20


@dataclass
class Asked:
    """One system under one workload: its requests as a file, and what its runs found."""

    system: System
    running: Running
    requests: Path
    closed: dict[int, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    open: list[dict[str, Any]] = field(default_factory=list)
    features_ms: list[float] = field(default_factory=list)

    def load(self, *options: str) -> dict[str, Any]:
        """Run the load generator; give what it found, with the system's processor time in seconds."""
        command = [sys.executable, "-m", "benchmarks.load", str(self.requests), "--path", self.system.path]
        before = self.running.cpu_s()
        done = subprocess.run(
            [*command, "--port", str(self.running.port), *options],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            check=True,
        )
        return {**json.loads(done.stdout), "cpu_s": self.running.cpu_s() - before}

    @property
    def highest(self) -> int:
        """The number of connections that gives the most requests a second."""
        return max(self.closed, key=lambda connections: self._rate(connections))

    @property
    def rate(self) -> float:
        """The most requests a second."""
        return self._rate(self.highest)

    def _rate(self, connections: int) -> float:
        return statistics.median(float(run["requests"] / run["seconds"]) for run in self.closed[connections])

    def figures(self) -> list[tuple[str, float, str]]:
        """Give all figures: metric, value, unit."""
        alone, busy = self.closed[1], self.closed[self.highest]
        requests = sum(run["requests"] for run in busy)
        found = [("requests", self.rate, "1/s")]
        for p, name in enumerate(PERCENTILES):
            found.append(
                (f"p{name:g} alone", statistics.median(run["latencies_ms"][p] for run in alone), "ms")
            )
        for p, name in enumerate(PERCENTILES):
            found.append(
                (f"p{name:g} at half", statistics.median(run["latencies_ms"][p] for run in self.open), "ms")
            )
        if self.features_ms:
            found.append(("features p99 at half", percentile(self.features_ms, 99), "ms"))
        runs = [run for each in (*self.closed.values(), self.open) for run in each]
        return [
            *found,
            ("CPU of 1,000 requests", 1e3 * sum(run["cpu_s"] for run in busy) / requests, "s"),
            ("client's CPU of 1,000", 1e3 * sum(run["client_cpu_s"] for run in busy) / requests, "s"),
            ("sent late p99", statistics.median(run["late_ms"] for run in self.open), "ms"),
            ("peak memory", self.running.peak_mb(), "MiB"),
            ("unanswered", sum(run["unanswered"] for run in self.open), ""),
            ("errors", sum(run["errors"] for run in runs), ""),
        ]


def ask(
    at: World, shape: Shape, work: str, systems: Sequence[tuple[System, Running]], batch: int, size: Size
) -> list[Result]:
    """Check the systems' answers to the same requests, then measure them in turn, several times."""
    results: list[Result] = []
    asked: list[Asked] = []
    folder = at.folder("requests")
    answers = folder / "answers.jsonl"
    for system, running in systems:
        drawn = draws(at.entities, batch, max(_LEAST_DRAWS, size.draws // batch))
        if system.whole:
            drawn = [some for each in drawn if (some := at.whole(shape, each))]
        requests = folder / f"{len(asked)}.jsonl"
        bodies = (json.dumps(system.body(number, entities)) for number, entities in enumerate(drawn))
        requests.write_text("\n".join(bodies), encoding="utf-8")
        asked.append(Asked(system, running, requests))
        if asked[-1].load("--once", "--answers", str(answers))["errors"]:
            raise RuntimeError(
                f"each system answers every request; {system.name} says {answers.read_text()[:500]}"
            )
        found = [system.read(answer) for answer in _lines(answers)]
        results += compared(at, shape, work, system.name, list(zip(drawn, found, strict=True)))
    for _ in range(size.rounds):
        for one in asked:
            for connections in (1, *(c for c in size.connections if c * batch <= _INSIDE)):
                run = one.load("--connections", str(connections), "--seconds", str(size.closed_s))
                one.closed[connections].append(run)
    for _ in range(size.rounds):
        for one in asked:
            options = ("--rate", str(one.rate / 2), "--seconds", str(size.open_s), "--answers", str(answers))
            one.open.append(
                one.load("--connections", str(min(_OPEN_CONNECTIONS, _INSIDE // batch)), *options)
            )
            if one.system.name == AUGURY:
                told = (answer.get("results", [answer])[0]["latency_ms"] for answer in _lines(answers))
                one.features_ms += [latency["features"] for latency in told]
    return results + [Result(work, one.system.name, *figure) for one in asked for figure in one.figures()]


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def compared(
    at: World, shape: Shape, work: str, system: str, found: Sequence[tuple[Sequence[int], Found]]
) -> list[Result]:
    """Hold what a system answered about entities to what the rows and the model say."""
    entities = [entity for asked, _ in found for entity in asked]
    values = unlike = 0
    wanted = nullable(at.vectors(shape, entities))
    predicted = at.predictions(shape, entities)
    predictions = [value for _, each in found for value in each.predictions or ()]
    vectors = [vector for _, each in found for vector in each.vectors or ()]
    if predictions or not vectors:
        values += len(predicted)
        unlike += _differences(predicted, predictions)
    if vectors:
        values += sum(map(len, wanted))
        unlike += abs(len(wanted) - len(vectors)) * len(wanted[0])
        unlike += sum(_differences(row, other) for row, other in zip(wanted, vectors, strict=False))
    return [
        Result(work, system, "values compared", values, ""),
        Result(work, system, "differences", unlike, ""),
    ]


def _differences(wanted: Sequence[float | None], found: Sequence[float | None]) -> int:
    lacking = abs(len(wanted) - len(found))
    return lacking + sum(a != b for a, b in zip(wanted, found, strict=False))
