"""The chain that neither loses nor doubles: one event, one retraining, one decision, whatever is killed.

Each chain is a window that has drifted, and what follows: alert, bridge, flow run, training set, search,
training, gates, registration, trial in shadow, looks, promotion, hot swap. In each of them something else is
ended by SIGKILL.
Anything that is lost or doubled makes the exit status 1.
"""

import argparse
import signal
import sys
from dataclasses import asdict

from benchmarks.chaos_chain import ALERTED, LABELLED, ON_TRIAL, Chain, Outcome, Place
from benchmarks.chaos_flows import TRIAL, steps
from benchmarks.chaos_project import MODELS, TRIALS
from benchmarks.chaos_world import DATABASE, SERVERS, SERVICES, World, world
from benchmarks.common import Result, show, write

_MET = {
    ALERTED: ("bridge", "prefect", "kafka"),
    ON_TRIAL: ("http", "sink", DATABASE),
    LABELLED: ("bridge", "prefect"),
}
_UNITS = {"seconds": "s"}
WHOLE = {"alerts": 1, "retrainings": 1, "trials": TRIALS, "decisions": 1, "runs": 1, "announced": 1}
"""What comes of one event: alerts, versions registered, trials of one search, decisions, runs of one key; all
of its events in the log."""


def places() -> list[Place]:
    """Give all places: nothing; each step, before and after what it does; parts; and several in one chain."""
    ends = [f"{name} {when}" for name in (*steps(), TRIAL) for when in ("before", "after")]
    flows = [Place(end, (end,)) for end in ends]
    parts = [
        Place(f"{part}, when {moment}", parts=((moment, part),))
        for moment in _MET
        for part in (*SERVERS, DATABASE, *SERVICES)
        if part != "flows"
    ]
    several = [
        Place("twice in training", ("fit before", "fit after")),
        Place("twice in the search", (f"{TRIAL} before", f"{TRIAL} after")),
        Place("at four flows' ends", ("drift after", "retrain after", "start-trial after", "evaluate after")),
        Place("all that met it", parts=tuple((moment, part) for moment, met in _MET.items() for part in met)),
    ]
    return [Place("nothing"), *flows, *parts, *several]


def quick() -> list[Place]:
    """Give a few places, of each kind."""
    wanted = ("nothing", "fit after", "register_model after", "conclude after", "all that met it")
    return [place for place in places() if place.name in wanted]


SIZES = {"quick": quick, "full": places}


def endure(at: World, number: int, place: Place) -> tuple[Outcome, list[Result]]:
    """Run one chain; give what came of it, and its figures."""
    print(f"{place.name} ...", flush=True)
    found = Chain(at, number, place).run()
    if found.hung:
        print(f"  hung: {found.hung}", flush=True)
    figures = {name: value for name, value in asdict(found).items() if name != "hung"}
    return found, [
        Result(place.name, "Augury", name, value, _UNITS.get(name, "")) for name, value in figures.items()
    ]


def totals(found: list[Outcome]) -> list[Result]:
    """Give the figures of the whole run."""
    ends = {name: [getattr(each, name) for each in found] for name in WHOLE}
    counts: list[tuple[str, float, str]] = [
        ("events", len(found), ""),
        ("kills", sum(each.kills for each in found), ""),
        ("retrainings", sum(ends["retrainings"]), ""),
        ("decisions", sum(ends["decisions"]), ""),
        ("lost", sum(wanted > n for name, wanted in WHOLE.items() for n in ends[name]), ""),
        ("doubled", sum(n > wanted for name, wanted in WHOLE.items() for n in ends[name]), ""),
        ("places that were not reached", sum(each.unreached for each in found), ""),
        ("answers lost or doubled", sum(each.unanswered for each in found), ""),
        ("hung", sum(bool(each.hung) for each in found), ""),
        ("longest chain", max(each.seconds for each in found), "s"),
    ]
    return [Result("the whole run", "Augury", *count) for count in counts]


def failed(whole: list[Result]) -> bool:
    """Tell whether anything was lost or doubled, was not killed, or did not come to its end."""
    never = {"lost", "doubled", "places that were not reached", "answers lost or doubled", "hung"}
    return any(result.metric in never and result.value for result in whole)


def main() -> int:
    """Run a size, write and print the figures; 1 where anything is lost or doubled."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="quick")
    parser.add_argument("--only", default="", help="places whose name has this text")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the servers are ended, as by ^C
    chosen = [place for place in SIZES[given.size]() if given.only in place.name]
    assert len(chosen) <= MODELS
    found, figures = list[Outcome](), list[Result]()
    with world() as at:
        for number, place in enumerate(chosen):
            outcome, own = endure(at, number, place)
            found.append(outcome)
            figures += own
    show(figures)
    whole = totals(found)
    show(whole)
    print(f"written to {write('chaos', [*whole, *figures])}")
    return 1 if failed(whole) else 0


if __name__ == "__main__":
    sys.exit(main())
