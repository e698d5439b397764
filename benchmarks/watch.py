"""The flights, watched: two weeks of live traffic with three faults, and a spring after a winter's training.

Nothing is told to the watch but the events: policies are those of the example, alerts come through Kafka,
and what is printed is read from the warehouse and from Prefect; the four reports are pages in
`benchmarks/.cache/watch`. The exit status is 1 where a fault is not noticed, is taken for something else, or
is retrained on; where what it spoils for all is not frozen; where anything is told of the stretch without a
fault; and where the season does not lead to one retraining.
"""

import argparse
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from augury.demo.stage import Stage
from augury.replay import Event
from augury.settings import Settings
from benchmarks.common import CACHE, show, write
from benchmarks.watch_findings import Stretch, complaints
from benchmarks.watch_run import watch
from examples.flights.events import events, requests
from examples.flights.faults import Fault, broken_feed, inches, injected, lost
from examples.flights.project import origin_weather
from examples.flights.scenario import scenario
from features.project import load_project
from flows.causes import BEYOND, DATA, NULLS, SILENT

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
NOTES = (
    "all times are the log's clock; a day is looked at when it is over, at midnight UTC",
    "retrainings are runs of the flow that an alert of the stretch set off",
    "features are frozen until the stretch is over, and are thawed then, as a person would",
)


def main() -> int:
    """Run it, write and print what was noticed; 1 where that is not what happened."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.watch", description=__doc__)
    parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the servers are ended, as by ^C
    CACHE.mkdir(exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="watch-", dir=CACHE))
    faults = [stretch.fault for stretch in STRETCHES if stretch.fault is not None]
    played = replace(
        scenario,
        trained_at=STRETCHES[0].since,
        live_from=STRETCHES[0].since,
        end=STRETCHES[-1].until + _HOUR,
        events=injected(events, faults),
        requests=lambda start, end: (e for e in requests(start, end) if e.at % _HOUR < ASKED_MS),
    )
    settings = Settings.with_free_ports(home, replay=True)
    stage = Stage(load_project("examples.flights"), played, settings, Console())
    try:
        found = watch(stage, STRETCHES)
    finally:
        stage.stack.down()
        shutil.rmtree(home, ignore_errors=True)
    for stretch in STRETCHES:
        show([r for r in found if r.workload == stretch.name])
    show([r for r in found if r.workload == "the whole run"], NOTES)
    wrong = complaints(STRETCHES, found)
    for complaint in wrong:
        print(f"not as it must be: {complaint}")
    print(f"written to {write('watch', found)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
