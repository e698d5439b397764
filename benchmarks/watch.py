"""The flights, watched in three acts: faults and a season, a strike, and a job of today that stands still.

In the first are three faults in two weeks of live traffic, and a spring after a winter; in the second all
that leaves before noon waits for the ground crews; the third goes by the wall's clock.

Nothing is told to the watch but the events: policies are those of the example, alerts come through Kafka,
and what is printed is read from the warehouse and from Prefect; the four reports are pages in
`benchmarks/.cache/watch`. The exit status is 1 where a fault is not noticed, is taken for something else, or
is retrained on; where what it spoils for all is not frozen; where anything is told of a stretch without a
fault; where the season does not lead to one retraining, or the strike's harm to one after the other, each
judged by a trial; and where a job that stands still, in a last act by the wall's clock, is not told of once.
"""

import argparse
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from augury.demo.stage import Stage
from augury.replay import Event
from augury.settings import Settings
from benchmarks.common import CACHE, Result, show, write
from benchmarks.watch_findings import Stretch, complaints
from benchmarks.watch_live import not_so, stand_still
from benchmarks.watch_run import watch
from examples.flights.events import events, labels, landings, requests
from examples.flights.faults import Fault, broken_feed, inches, injected, lost, strike
from examples.flights.project import late_arrival, origin_weather
from examples.flights.scenario import scenario
from features.alerts import SEQUENTIAL
from features.project import load_project
from flows.causes import BEYOND, DATA, NULLS, SILENT
from flows.performance import PERFORMANCE

_DAY, _HOUR = 86_400_000, 3_600_000
ASKED_MS = 10 * 60_000
"""Asked are the requests of the first minutes of each hour: the replay goes by the hour, and later in it the
rows would be stale, as those of a pipeline that stands still are."""


def _day(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def _faulty(
    name: str, day: str, change: Callable[[Event], Event | None], cause: str, *, freezes: bool
) -> Stretch:
    """Give four days with a fault of two, which begins at six in the morning."""
    since = _day(day)
    fault = Fault(name, since + 6 * _HOUR, since + 6 * _HOUR + 2 * _DAY, change)
    return Stretch(name, since, since + 4 * _DAY, origin_weather.label, cause, fault, freezes=freezes)


STRETCHES = (
    Stretch("without a fault", _day("2013-03-01"), _day("2013-03-04")),
    _faulty("a broken weather feed", "2013-03-04", broken_feed, NULLS, freezes=True),
    _faulty("a change of unit", "2013-03-08", inches, BEYOND, freezes=True),
    _faulty("a lost airport", "2013-03-12", lost("EWR"), f"{SILENT}: EWR", freezes=False),
    Stretch("the season", _day("2013-04-25"), _day("2013-04-28"), origin_weather.label, DATA, retrainings=1),
)
_STRIKE = Fault("a strike", _day("2013-02-14"), _day("2013-02-23"), strike)
STRIKE = (
    Stretch("before the strike", _day("2013-02-11"), _STRIKE.since),
    Stretch(
        "a strike",
        _STRIKE.since,
        _STRIKE.until,
        late_arrival.name,
        SEQUENTIAL,
        _STRIKE,
        retrainings=2,
        kind=PERFORMANCE,
        becomes="rejected",
    ),
)
ACTS = {"season": STRETCHES, "strike": STRIKE}
"""Each on a stack of its own, with a first model of what came before its first stretch."""
NOTES = (
    "all times are the log's clock; a day is looked at when it is over, at midnight UTC",
    "retrainings are those that alerts of the stretch set off; one that is not allowed is none",
    "where a stretch is over, what is frozen is thawed and a challenger is rejected, as a person would",
)


def main() -> int:
    """Run it, write and print what was noticed; 1 where that is not what happened."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.watch", description=__doc__)
    parser.add_argument("act", nargs="?", choices=[*ACTS, "today"], help="one act alone; nothing is written")
    chosen = parser.parse_args().act
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the servers are ended, as by ^C
    CACHE.mkdir(exist_ok=True)
    home, found, wrong = Path(tempfile.mkdtemp(prefix="watch-", dir=CACHE)), list[Result](), list[str]()
    try:
        for name, stretches in ACTS.items():
            if chosen in (None, name):
                told = _play(home / name, name, stretches)
                found, wrong = found + told, wrong + complaints(stretches, told)
        if chosen in (None, "today"):
            told = stand_still(home / "today", Console())
            found, wrong = found + told, wrong + not_so(told)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    for name in dict.fromkeys(r.workload for r in found):
        show([r for r in found if r.workload == name])
    for note in NOTES:
        print(f"- {note}")
    for complaint in wrong:
        print(f"not as it must be: {complaint}")
    if chosen is None:
        print(f"written to {write('watch', found)}")
    return 1 if wrong else 0


def _play(home: Path, name: str, stretches: Sequence[Stretch]) -> list[Result]:
    """Play an act on a stack of its own."""
    faults = [stretch.fault for stretch in stretches if stretch.fault is not None]
    played = replace(
        scenario,
        trained_at=stretches[0].since,
        live_from=stretches[0].since,
        end=stretches[-1].until + _HOUR,
        events=injected(events, faults),
        ground_truth=lambda start, end: labels(
            *injected(lambda since, until: [landings(since, until)], faults)(start, end)
        ),
        requests=lambda start, end: (e for e in requests(start, end) if e.at % _HOUR < ASKED_MS),
    )
    settings = Settings.with_free_ports(home, replay=True)
    stage = Stage(load_project("examples.flights"), played, settings, Console())
    try:
        return watch(stage, name, stretches)
    finally:
        stage.stack.down()


if __name__ == "__main__":
    sys.exit(main())
