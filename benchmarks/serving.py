"""Serving: Augury's doors as users run them, the floor of the same work, and two peers.

All systems run at once and are asked in turn, so that all have the same machine; each has one process that
answers. The rate is that of a closed loop, the most of several numbers of connections. At half of it requests
come at an even rate, and latencies count from when each was due.
"""

import argparse
import json
import signal
import subprocess
import sys
from contextlib import ExitStack

from augury.settings import ROOT
from benchmarks import serving_kafka
from benchmarks.common import Result, show, write
from benchmarks.load import PERCENTILES
from benchmarks.serving_cases import BATCHES, MIDDLE, SIZES, Shape, Size, draws, key
from benchmarks.serving_goals import goals
from benchmarks.serving_runs import ask, compared
from benchmarks.serving_systems import (
    ASGI,
    LOOP,
    MANY,
    MODELS,
    RECORDING,
    application,
    augury,
    door,
    door_answers,
    feast,
    feast_server,
    floor,
    in_turn,
    many,
    mlserver,
    mlserver_server,
    ready_vectors,
)
from benchmarks.serving_world import World, world

NOTES = (
    "each figure is the median of several rounds; p99.9 of few requests is the longest",
    "Feast gives features and no prediction, MLServer predicts for vectors that the client brings; Augury "
    "and the bare application read, predict and give both, and Augury logs each answer",
    "MLServer's JSON has no missing values, so it is asked without the entities that lack one",
    "the 50 models in turn share no run of a model; the 50 more models are registered and not asked",
    "a goal that is not met does not fail the benchmark; values that differ do",
)
SHOWN = ("requests", "p50 alone", "p99 at half", "CPU of 1,000 requests", "peak memory")


def workload(entities: int, shape: Shape, batch: int) -> str:
    """Name a workload."""
    return f"{batch} of {entities:,} entities, {shape}"


def measure(at: World, shape: Shape, size: Size) -> list[Result]:
    """Run all systems on one shape."""
    results: list[Result] = []
    with ExitStack() as stack:
        through = stack.enter_context(door(at))
        systems = [
            (augury(shape), through),
            (ready_vectors(at, shape), through),
            (augury(shape, ASGI), stack.enter_context(application(at, shape, recording=False))),
            (augury(shape, RECORDING), stack.enter_context(application(at, shape, recording=True))),
            (feast(at, shape), stack.enter_context(feast_server(at, shape))),
            (mlserver(at, shape), stack.enter_context(mlserver_server(at, shape))),
        ]
        if shape == MIDDLE:
            for number in range(MODELS):
                at.register(shape, many(number))
            through = stack.enter_context(door(at, "crowded"))
            crowded = [(augury(shape, MANY), through), (in_turn(), through)]
        for batch in BATCHES:
            asked = [*systems, *crowded] if shape == MIDDLE and batch == 1 else systems
            work = workload(at.entities, shape, batch)
            results += ask(at, shape, work, asked, batch, size)
            results += loop(at, shape, work, batch, size)
    if shape == MIDDLE:
        results += serving_kafka.measure(at, shape, workload(at.entities, shape, 1), size)
    return results


def loop(at: World, shape: Shape, work: str, batch: int, size: Size) -> list[Result]:
    """Run the bare loop in a process of its own."""
    drawn = draws(at.entities, batch, max(20, size.draws // batch))
    requests, answers = at.folder("requests") / "keys.jsonl", at.folder("requests") / "answers.jsonl"
    requests.write_text("\n".join(json.dumps([key(e) for e in entities]) for entities in drawn))
    options = ("--requests", str(requests), "--answers", str(answers), "--seconds", str(size.open_s))
    done = subprocess.run([*floor(at, shape), *options], cwd=ROOT, stdout=subprocess.PIPE, check=True)
    told = json.loads(done.stdout)
    found = [door_answers(json.loads(line)) for line in answers.read_bytes().splitlines()]
    figures = [
        ("requests", told["requests"] / told["seconds"], "1/s"),
        *((f"p{p:g} alone", ms, "ms") for p, ms in zip(PERCENTILES, told["latencies_ms"], strict=True)),
        ("CPU of 1,000 requests", 1e3 * told["client_cpu_s"] / told["requests"], "s"),
        ("peak memory", told["peak_mb"], "MiB"),
    ]
    results = [Result(work, LOOP, *figure) for figure in figures]
    return results + compared(at, shape, work, LOOP, list(zip(drawn, found, strict=True)))


def failed(results: list[Result]) -> bool:
    """Tell whether values differ, a request had an error, or a system has no values that were compared."""
    wrong = any(r.metric in ("differences", "errors") and r.value for r in results)
    compared_ones = {(r.workload, r.system) for r in results if r.metric == "values compared" and r.value}
    return wrong or compared_ones != {(r.workload, r.system) for r in results} or not compared_ones


def main() -> int:
    """Run a size, write and print the results; 1 where values differ or nothing could be compared."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="quick")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the servers are ended, as by ^C
    size = SIZES[given.size]
    results: list[Result] = []
    for entities, shapes in size.worlds:
        with world(entities, shapes) as at:
            for shape in shapes:
                results += measure(at, shape, size)
    for work in dict.fromkeys(r.workload for r in results):
        show([r for r in results if r.workload == work and r.metric in SHOWN])
    reached = goals(results)
    show(reached, NOTES)
    print(f"written to {write('serving', results + reached)}")
    return 1 if failed(results) else 0


if __name__ == "__main__":
    sys.exit(main())
