"""The chain that neither loses nor doubles: one event, one retraining, one decision, whatever is killed.

A chain is a window that has drifted, and what follows: alert, bridge, flow run, training set, search,
training, gates, registration, trial in shadow, looks, promotion, hot swap. Or it is harm that labels show,
which retrains too, and whose challenger takes over by a canary; or harm that brings the champion before back.
In each of them something else is ended by SIGKILL.
Anything that is lost or doubled makes the exit status 1.
"""

import argparse
import signal
import sys
from dataclasses import asdict

from benchmarks.chaos_chain import ALERTED, LABELLED, ON_TRIAL, PROMOTED, Chain, Outcome, Place
from benchmarks.chaos_flows import TRIAL, steps_of
from benchmarks.chaos_harm import CHAINS, ON_CANARY
from benchmarks.chaos_project import DRIFT, FALL_BACK, FIRST, HARM, MODELS, SHARES, TRIALS
from benchmarks.chaos_world import DATABASE, SERVERS, SERVICES, World, world
from benchmarks.common import Result, show, write

_MET = {
    ALERTED: ("bridge", "prefect", "kafka"),
    ON_TRIAL: ("http", "sink", DATABASE),
    LABELLED: ("bridge", "prefect"),
    PROMOTED: ("http", "kafka"),
}
_UNITS, _WORDS = {"seconds": "s"}, ("hung", "event")
_PARTS = [part for part in (*SERVERS, DATABASE, *SERVICES) if part != "flows"]
_ONE = {
    "alerts": 1,
    "retrainings": 1,
    "trials": TRIALS,
    "decisions": 1,
    "shares": 0,
    "runs": 1,
    "announced": 1,
}
WHOLE = {
    DRIFT: _ONE,
    HARM: _ONE | {"shares": len(SHARES)},
    FALL_BACK: _ONE | {"retrainings": 0, "trials": 0},
}
"""What comes of one event: alerts, versions registered, trials of one search, decisions, shares of a canary,
runs of one key; all of its events in the log."""


def places() -> list[Place]:
    """Give all places: of drift's chain those of `_drift`, of the others those that it does not have."""
    harm = [
        *_ends(HARM),
        *_when(HARM, ON_CANARY),
        Place("twice at a share", ("act before", "act after"), event=HARM),
    ]
    back = [*_ends(FALL_BACK), *_when(FALL_BACK, ALERTED)]
    nothing = [Place(f"nothing, by {kind}", event=kind) for kind in (HARM, FALL_BACK)]
    return [*_drift(), nothing[0], *harm, nothing[1], *back]


def _ends(kind: str, *more: str) -> list[Place]:
    """Give each step that a kind of chain adds, before and after what it does."""
    ends = [f"{name} {when}" for name in (*steps_of(kind), *more) for when in ("before", "after")]
    return [Place(end, (end,), event=kind) for end in ends]


def _when(kind: str, moment: str) -> list[Place]:
    """Give each server and service, at a moment of a kind of chain."""
    of = "" if kind == DRIFT or moment == ON_CANARY else f", by {kind}"
    return [Place(f"{part}, when {moment}{of}", parts=((moment, part),), event=kind) for part in _PARTS]


def _drift() -> list[Place]:
    """Give nothing; each step, before and after what it does; parts; and several in one chain."""
    several = [
        Place("twice in training", ("fit before", "fit after")),
        Place("twice in the search", (f"{TRIAL} before", f"{TRIAL} after")),
        Place("at four flows' ends", ("drift after", "retrain after", "start-trial after", "evaluate after")),
        Place("all that met it", parts=tuple((moment, part) for moment, met in _MET.items() for part in met)),
    ]
    parts = [place for moment in _MET for place in _when(DRIFT, moment)]
    return [Place("nothing"), *_ends(DRIFT, TRIAL), *parts, *several]


def quick() -> list[Place]:
    """Give a few places, of each kind."""
    wanted = {"nothing", "fit after", "register_model after", "conclude after", "all that met it"}
    wanted |= {"act after", "bring_back after", "http, when promoted"}
    return [place for place in places() if place.name in wanted]


SIZES = {"quick": quick, "full": places}


def endure(at: World, number: int, place: Place) -> tuple[Outcome, list[Result]]:
    """Run one chain; give what came of it, and its figures."""
    print(f"{place.name} ...", flush=True)
    found = CHAINS.get(place.event, Chain)(at, number, place).run()
    if found.hung:
        print(f"  hung: {found.hung}", flush=True)
    figures = {name: value for name, value in asdict(found).items() if name not in _WORDS}
    return found, [
        Result(place.name, "Augury", name, value, _UNITS.get(name, "")) for name, value in figures.items()
    ]


def totals(found: list[Outcome]) -> list[Result]:
    """Give the figures of the whole run."""
    ends = [
        (name, wanted, getattr(each, name)) for each in found for name, wanted in WHOLE[each.event].items()
    ]
    counts: list[tuple[str, float, str]] = [
        ("events", len(found), ""),
        ("kills", sum(each.kills for each in found), ""),
        *(
            (name, sum(n for of, _, n in ends if of == name), "")
            for name in ("retrainings", "decisions", "shares")
        ),
        ("lost", sum(wanted > n for _, wanted, n in ends), ""),
        ("doubled", sum(n > wanted for _, wanted, n in ends), ""),
        ("places that were not reached", sum(each.unreached for each in found), ""),
        ("trained although nothing was lost", sum(each.needless for each in found), ""),
        ("answers lost or doubled", sum(each.unanswered for each in found), ""),
        ("hung", sum(bool(each.hung) for each in found), ""),
        ("longest chain", max(each.seconds for each in found), "s"),
    ]
    return [Result("the whole run", "Augury", *count) for count in counts]


def failed(whole: list[Result]) -> bool:
    """Tell whether anything was lost or doubled, was not killed, or did not come to its end."""
    never = {"lost", "doubled", "places that were not reached", "answers lost or doubled", "hung"}
    never |= {"trained although nothing was lost"}
    return any(result.metric in never and result.value for result in whole)


def main() -> int:
    """Run a size, write and print the figures; 1 where anything is lost or doubled."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="quick")
    parser.add_argument("--only", default="", help="places whose name has this text")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the servers are ended, as by ^C
    chosen = [place for place in SIZES[given.size]() if given.only in place.name]
    if not chosen:
        parser.error(
            f"--only names places of the size; {given.size} has none with {given.only!r} in its name"
        )
    numbers = [FIRST[kind] + n for kind in FIRST for n in range(sum(p.event == kind for p in chosen))]
    assert max(numbers, default=0) < MODELS
    found, figures = list[Outcome](), list[Result]()
    with world() as at:
        for number, place in zip(numbers, chosen, strict=True):
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
