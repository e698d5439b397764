import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.chaos import WHOLE, failed, places, quick, totals
from benchmarks.chaos_chain import Outcome
from benchmarks.chaos_flows import DONE, POINT, steps, steps_of
from benchmarks.chaos_project import DRIFT, FALL_BACK, FIRST, HARM, MODELS, event

FINE = Outcome(
    10.0,
    1,
    alerts=1,
    retrainings=1,
    trials=3,
    decisions=1,
    shares=0,
    runs=1,
    announced=1,
    trained=1,
    needless=0,
    unanswered=0,
    unreached=0,
)

_STEP = """
import sys
from pathlib import Path
from benchmarks.chaos_flows import watched
print(watched("fit", lambda n: n + 1, Path(sys.argv[1]))(1), flush=True)
"""


def step(folder: Path) -> tuple[int, str]:
    done = subprocess.run([sys.executable, "-c", _STEP, str(folder)], capture_output=True, text=True)
    return done.returncode, done.stdout.strip()


def test_a_step_dies_at_each_place_in_turn_and_then_no_more(tmp_path: Path) -> None:
    (tmp_path / POINT).write_text("export before\nfit before")
    assert step(tmp_path) == (0, "2")  # another step's turn
    (tmp_path / POINT).write_text("fit before\nfit after")
    assert step(tmp_path) == (-9, "")
    assert (tmp_path / DONE).read_text() == "fit\n"  # of the first
    assert step(tmp_path) == (-9, "")
    assert (tmp_path / DONE).read_text() == "fit\nfit\n"
    assert step(tmp_path) == (0, "2")


def test_every_step_is_killed_on_both_sides_and_every_part_at_every_moment() -> None:
    found = [place.name for place in places()]
    assert len(set(found)) == len(found) <= MODELS
    kinds, first = [place.event for place in places()], list(FIRST.values())
    assert kinds == sorted(kinds, key=list(FIRST).index)
    for kind, start, end in zip(FIRST, first, [*first[1:], MODELS], strict=True):
        assert kinds.count(kind) <= end - start
        assert {event(start), event(end - 1)} == {kind}
    assert {f"{name} {when}" for name in steps() for when in ("before", "after")} < set(found)
    chain = {
        "drift",
        "look",
        "send",
        "retrain",
        "fit",
        "run_trials",
        "register_model",
        "evaluate",
        "conclude",
    }
    assert chain | {"look at the trial"} < set(steps())
    assert "clear" not in steps()  # of a window without drift, which begins no chain
    assert {"bridge, when alerted", "kafka, when labelled", "database, when on trial"} < set(found)
    assert {
        "a trial of the search after",
        "http, when on a canary",
        "twice at a share",
        "http, when promoted",
    } < set(found)
    assert set(steps_of(HARM)) == {"monitor", "look at performance", "canary", "look at the canary", "act"}
    assert set(steps_of(FALL_BACK)) == {"fall-back", "bring_back"}
    assert {place.event for place in quick()} == set(FIRST)


@pytest.mark.parametrize(
    ("changed", "metric"),
    [
        *(({name: 0}, "lost") for name, wanted in WHOLE[DRIFT].items() if wanted),
        *(({name: 4}, "doubled") for name in WHOLE[DRIFT] if name != "announced"),
        ({"event": HARM, "shares": 1}, "lost"),
        ({"event": FALL_BACK, "trials": 0}, "doubled"),
        ({"unreached": 1}, "places that were not reached"),
        ({"unanswered": 1}, "answers lost or doubled"),
        ({"needless": 1}, "trained although nothing was lost"),
        ({"hung": "it waits"}, "hung"),
    ],
)
def test_whatever_is_lost_or_doubled_fails_the_run(changed: dict[str, object], metric: str) -> None:
    assert not failed(totals([FINE, FINE]))
    whole = totals([FINE, replace(FINE, **changed)])  # type: ignore[arg-type]
    assert failed(whole)
    assert {r.metric: r.value for r in whole}[metric] == 1
