import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from features import Choice, Integer
from flows.search import Budget
from flows.study import best
from inference.registry import Registry, TrialState
from tests.flows.searching import begin, noted, opened, run, study
from tests.flows.trainers.noted import begun

_PATIENCE_S = 120


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/registry.sqlite"


def test_trials_end_complete_pruned_or_failed_and_the_best_beats_the_present(url: str) -> None:
    registry = opened(url)
    begin(
        registry, "s", study(space={"num_leaves": Integer(0, 31), "learning_rate": Choice((1e-4, 0.05, 0.2))})
    )
    run(registry, "s", Budget(16))
    trials = registry.experiments.trials("s")
    assert len(trials) == 16
    assert trials[0].hyperparameters == {"num_leaves": 7, "learning_rate": 0.05}
    found = best(trials)
    assert found is not None
    assert found[1].value is not None
    assert trials[0].value is not None
    assert found[1].value <= trials[0].value
    ends = {state: [t for t in trials if t.state is state] for state in TrialState}
    assert all(
        len(t.losses) == 3 and t.value == pytest.approx(sum(t.losses) / 3) for t in ends[TrialState.COMPLETE]
    )
    assert ends[TrialState.PRUNED]
    assert all(len(t.losses) < 3 and t.value is None for t in ends[TrialState.PRUNED])
    assert all("LightGBMError" in t.reason for t in ends[TrialState.FAILED])


def test_no_trial_begins_when_time_is_over(url: str) -> None:
    registry = opened(url)
    begin(registry, "s", study())
    run(registry, "s", Budget(10, minutes=0.0))
    assert registry.experiments.trials("s") == []


def test_a_trial_that_is_open_when_time_is_over_ends_after_its_fold_and_is_tried_again(
    url: str, tmp_path: Path
) -> None:
    registry, fits = opened(url), {identity: tmp_path / identity for identity in ("s", "through")}
    for identity, folder in fits.items():
        begin(registry, identity, noted(folder))
    # by a clock that a fit takes a minute of, time is over with the first of the second trial's three folds
    run(registry, "s", Budget(3, minutes=4), clock=lambda: 60.0 * begun(fits["s"]))
    (kept,) = registry.experiments.trials("s")
    assert kept.state is TrialState.COMPLETE
    assert begun(fits["s"]) == 4
    for identity in fits:
        run(registry, identity, Budget(3))
    trials = registry.experiments.trials("s")
    assert trials[0] == kept
    assert len(trials) == 3
    assert trials == registry.experiments.trials("through")


def test_as_many_trials_as_there_are_workers_are_open_at_once(url: str, tmp_path: Path) -> None:
    registry = opened(url)
    begin(registry, "s", noted(tmp_path / "fits", together=2))  # a trial's first fold waits for another's
    run(registry, "s", Budget(2, workers=2))
    assert [t.state for t in registry.experiments.trials("s")] == [TrialState.COMPLETE] * 2


def test_a_search_that_is_killed_goes_on_as_if_it_had_not_been(url: str) -> None:
    registry = opened(url)
    for identity in ("s", "through"):
        begin(registry, identity, study(folds=2))
    searching = start(url)
    await_trials(registry, 3, searching)
    processes = psutil.Process(searching.pid).children(recursive=True)
    assert processes
    searching.kill()
    searching.wait(_PATIENCE_S)
    _, alive = psutil.wait_procs(processes, _PATIENCE_S)
    assert not alive
    kept = registry.experiments.trials("s")
    assert len(kept) >= 3
    budget = Budget(len(kept) + 3)
    for identity in ("s", "through"):
        run(registry, identity, budget)
    trials = registry.experiments.trials("s")
    assert trials == registry.experiments.trials("through")
    assert trials[: len(kept)] == kept


def start(url: str) -> subprocess.Popen[bytes]:
    """Search in another process, without an end."""
    stated = [url, "s", "1000000", "1", "2000"]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.flows.searching", *stated], stderr=subprocess.DEVNULL
    )


def await_trials(registry: Registry, number: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while len(registry.experiments.trials("s")) < number:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
