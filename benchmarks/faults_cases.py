"""The faults, one function each: it breaks something under load and puts it right again."""

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from augury.models import artifacts, publish, registry
from augury.stack.probes import get
from benchmarks.faults_door import BACK, FORTH, PROGRAM
from benchmarks.faults_world import Site
from benchmarks.serving_cases import MIDDLE, SMALL
from inference.registry import Registry

_PATIENCE_S = 60.0
_BY, _WHY = "faults", "to see what happens"


class NotSeenError(RuntimeError):
    """Something that should show did not in its time."""


@dataclass(frozen=True)
class Size:
    """How much is run: requests a second by each door, seconds of an outage, bad inputs, and how often."""

    rate: float
    away_s: float
    bad: int
    rounds: int


SIZES = {"quick": Size(40.0, 4.0, 200, 1), "full": Size(100.0, 30.0, 5_000, 3)}


@dataclass(frozen=True)
class Fault:
    """What is done to a site."""

    name: str
    act: Callable[[Site, Size], object]


def killed(part: str) -> Fault:
    """Give the death of a part by SIGKILL, and its new start."""

    def act(site: Site, _: Size) -> None:
        site.stack.kill(part)
        site.stack.start(part)

    return Fault(f"SIGKILL of {part}", act)


def away(part: str) -> Fault:
    """Give an outage of a server."""

    def act(site: Site, size: Size) -> None:
        site.stack.stop(part)
        time.sleep(size.away_s)
        site.stack.start(part)

    return Fault(f"{part} away", act)


def drained(part: str) -> Fault:
    """Give a part's end by SIGTERM, and its new start."""

    def act(site: Site, _: Size) -> None:
        site.stack.stop(part)
        site.stack.start(part)

    return Fault(f"SIGTERM of {part}", act)


def registry_away(site: Site, size: Size) -> None:
    """Put folders in the place of the registry's files, so that nobody can open them."""
    files = sorted(site.settings.home.glob("registry.sqlite*"))
    kept = site.settings.home / "kept"
    kept.mkdir()
    for file in files:
        file.rename(kept / file.name)
        file.mkdir()
    time.sleep(size.away_s)
    for file in files:
        file.rmdir()
        (kept / file.name).rename(file)
    kept.rmdir()


@contextmanager
def _published(site: Site, payload: bytes, sha256: str) -> Iterator[str]:
    """Promote a version of a file, and roll it back; give the text by which its problem begins."""
    held: Registry = registry(site.settings)
    try:
        good = held.champion(SMALL.model)
        assert good is not None
        uri, _ = artifacts(site.settings).put(SMALL.model, payload)
        experiment = held.experiments.record(
            model_type=_BY,
            hyperparameters={},
            training_dataset_version=_BY,
            feature_group_versions={},
            evaluation_metrics={},
            artifact_path=uri,
            code_version=_BY,
            environment={},
            seed=1,
        )
        version = held.register(
            SMALL.model,
            artifact_uri=uri,
            sha256=sha256,
            framework=good.framework,
            serving_flavour=good.serving_flavour,
            signature=good.signature,
            experiment_id=experiment,
            by=_BY,
            why=_WHY,
        )
        held.start_trial(SMALL.model, version.version, by=_BY, why=_WHY)
        held.promote(SMALL.model, version.version, by=_BY, why=_WHY)
        publish(site.settings, held)
        yield f"{SMALL.model} version {version.version} was not loaded"
        held.rollback(SMALL.model, by=_BY, why=_WHY)
        publish(site.settings, held)
    finally:
        held.close()


def wrong_hash(site: Site, _: Size) -> None:
    """Promote a version whose file is not the registered one."""
    payload = site.world.onnx(SMALL).read_bytes() + b"\0"
    with _published(site, payload, hashlib.sha256(b"another").hexdigest()) as problem:
        _await_models(site, problem, there=True)
    _await_models(site, problem, there=False)


def wrong_width(site: Site, _: Size) -> None:
    """Promote a version whose file takes another vector than its signature tells."""
    payload = site.world.onnx(MIDDLE).read_bytes()
    with _published(site, payload, hashlib.sha256(payload).hexdigest()) as problem:
        _await_models(site, problem, there=True)
    _await_models(site, problem, there=False)


def _await_models(site: Site, text: str, *, there: bool) -> None:
    """Wait until the door tells of a problem with a model, or no longer does."""
    deadline = time.monotonic() + _PATIENCE_S
    while (text.encode() in get(site.settings.http_port, "/v1/models")) is not there:
        if time.monotonic() > deadline:
            raise NotSeenError(f"the door {'tells' if there else 'no longer tells'} that {text}")
        time.sleep(0.1)


def clock_steps(site: Site, size: Size) -> None:
    """Run door and worker by a clock that is put forward by an hour and back, and end them."""
    supervisor = site.stack.supervisor
    whole = {name: supervisor.parts[name] for name in ("http", "worker")}
    try:
        for name, part in whole.items():
            supervisor.stop([name])
            supervisor.parts[name] = replace(part, command=(*PROGRAM, name))
            supervisor.start([name])
        for step in (FORTH, BACK, BACK, FORTH):
            for name in whole:
                os.kill(site.pid(name), step)
            time.sleep(size.away_s)
    finally:
        for name, part in whole.items():
            supervisor.stop([name])
            supervisor.parts[name] = part
            supervisor.start([name])
