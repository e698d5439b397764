"""Load with faults: every part is killed, taken away or fed nonsense while requests come at a steady rate.

Requests come by HTTP and by Kafka, feature rows by Kafka. After each fault all that was sent must come to an
end within a bound, and at the end every store is held to what was sent. Anything that is lost, doubled, wrong
or hung makes the exit status 1.
"""

import argparse
import signal
import sys
import time
import uuid
from collections.abc import Callable
from functools import partial

from augury.stack.probes import get
from benchmarks.common import Result, show, write
from benchmarks.faults_bad import BadHttp, BadKafka, bad_bodies, bad_records
from benchmarks.faults_cases import (
    SIZES,
    Fault,
    Size,
    away,
    clock_steps,
    drained,
    killed,
    registry_away,
    wrong_hash,
    wrong_width,
)
from benchmarks.faults_check import checked
from benchmarks.faults_load import PATIENCE_S, Beside, HttpLoad, KafkaLoad, Ledger, Results, Rows
from benchmarks.faults_slow import slow_clients
from benchmarks.faults_world import SERVERS, SERVICES, Site, site
from schemas.log import await_group

FAULTS = (
    *(killed(part) for part in (*SERVICES, *SERVERS)),
    *(drained(part) for part in ("http", "worker")),
    *(away(part) for part in ("redis", "kafka", "registry", "warehouse")),
    Fault("registry database away", registry_away),
    Fault("champion with another SHA-256", wrong_hash),
    Fault("champion of another width", wrong_width),
    Fault("clocks an hour forth and back", clock_steps),
)
BAD = ("lost", "doubled", "wrong", "hung", "log differs")
_ROWS_RATE = 0.5  # feature rows to a request of one door
_LOOK_S = 0.05


class Run:
    """The load on a site, and the faults that it went through."""

    def __init__(self, at: Site, size: Size) -> None:
        run = uuid.uuid4().hex[:8]
        self.site, self.size, self.name = at, size, run
        self.http, self.kafka = HttpLoad(at, size.rate, run), KafkaLoad(at, size.rate, run)
        self.results = Results(at, self.kafka.ledger)
        self.rows = Rows(at, size.rate * _ROWS_RATE)
        self.bad_http, self.bad_kafka, self.slow = BadHttp(), BadKafka(), 0
        self.figures: list[Result] = []

    def start(self) -> None:
        """Begin the load."""
        for each in self._load:
            each.start()

    def endure(self, fault: Fault) -> None:
        """Do one fault under load, and wait until all that was sent by its end has come to an end."""
        self._timed(fault, self._settled)

    def finish(self) -> list[Result]:
        """End the load, wait for what is under way, and hold the stores to it."""

        def end(_site: Site, _size: Size) -> None:
            for each in (self.http, self.kafka, self.rows):
                each.stop()

        self._timed(Fault("the end of the load", end), self._ended)
        self.results.stop()
        return checked(self.site, self.http, self.kafka, self.results, self.rows, self.bad_kafka)

    def _timed(self, fault: Fault, settle: Callable[[], None]) -> None:
        print(f"{fault.name} ...", flush=True)
        begun, hung = time.monotonic(), ""
        before = [len(ledger.refusals) for ledger in self._ledgers]
        try:
            fault.act(self.site, self.size)
            healed = time.monotonic()
            settle()
        except Exception as error:
            healed, hung = time.monotonic(), f"{type(error).__name__}: {error}"
        ended = time.monotonic()
        http, kafka = (ledger.pause(begun, ended) for ledger in self._ledgers)
        refused = sum(len(led.refusals) - count for led, count in zip(self._ledgers, before, strict=True))
        for metric, value, unit in (
            ("broken for", healed - begun, "s"),
            ("whole after", ended - healed, "s"),
            ("longest pause by HTTP", http, "s"),
            ("longest pause by Kafka", kafka, "s"),
            ("stated refusals", refused, ""),
            ("hung", int(bool(hung)), ""),
        ):
            self.figures.append(Result(fault.name, "Augury", metric, value, unit))
        if hung:
            print(f"  hung: {hung}", flush=True)

    def inputs(self) -> tuple[Fault, ...]:
        """Give the faults of clients."""

        def slow(at: Site, _: Size) -> None:
            self.slow += slow_clients(at)

        def bodies(at: Site, size: Size) -> None:
            bad_bodies(at, size.bad, self.bad_http)

        def records(at: Site, size: Size) -> None:
            bad_records(at, size.bad, self.name, self.bad_kafka)

        return (
            Fault("slow and rude clients", slow),
            Fault("bad bodies by HTTP", bodies),
            Fault("bad records on Kafka", records),
        )

    @property
    def _load(self) -> tuple[Beside, ...]:
        return self.results, self.rows, self.kafka, self.http

    @property
    def _ledgers(self) -> tuple[Ledger, Ledger]:
        return self.http.ledger, self.kafka.ledger

    def _settled(self) -> None:
        for each in self._load:
            each.check()
        marks = [(ledger, ledger.sent) for ledger in self._ledgers]
        for ledger, sent in marks:
            _until(partial(_ended, ledger, sent), f"each request before {ledger.name(sent)} has an end")
            _until(partial(_answered, ledger, sent), f"an answer comes behind {ledger.name(sent)}")
        self._stored()

    def _ended(self) -> None:
        ledger = self.kafka.ledger
        _until(partial(_ended, ledger, ledger.sent), "each request on Kafka has a result")
        _until(self._bad_told, "bad records have their results")
        _until(self._shipped, "the spool is shipped")
        self._stored()

    def _stored(self) -> None:
        """Wait until the stores hold what the log holds now."""
        bootstrap = self.site.settings.kafka_bootstrap
        for group in ("augury.sink", "augury.materialiser"):
            await_group(bootstrap, group, PATIENCE_S, log_level=0)

    def _bad_told(self) -> bool:
        return all(self.results.counts[name] >= due for name, due in self.bad_kafka.results.items())

    def _shipped(self) -> bool:
        return b"augury_spool_records 0.0" in get(self.site.settings.http_port, "/metrics")


def _ended(ledger: Ledger, upto: int) -> bool:
    return ledger.settled() >= upto


def _answered(ledger: Ledger, behind: int) -> bool:
    return ledger.newest >= behind


def _until(true: Callable[[], bool], rule: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"within {PATIENCE_S:.0f} s {rule}; it is not so")
        time.sleep(_LOOK_S)


def totals(run: Run, figures: list[Result], checks: list[Result]) -> list[Result]:
    """Give the figures of the whole run."""
    held = {
        metric: [float(r.value) for r in figures if r.metric == metric]
        for metric in ("longest pause by HTTP", "longest pause by Kafka", "hung")
    }
    counts = {metric: sum(int(r.value) for r in checks if r.metric == metric) for metric in BAD}
    counts["hung"] += int(sum(held["hung"]))
    found: list[tuple[str, float, str]] = [
        ("load", 2 * run.size.rate, "1/s"),
        ("faults survived", len(held["hung"]) - sum(held["hung"]), ""),
        ("bad inputs tried", run.bad_http.tried + run.bad_kafka.tried + run.slow, ""),
        *((metric, count, "") for metric, count in counts.items()),
        ("bad inputs without a stated problem", len(run.bad_http.wrong), ""),
        ("longest pause by HTTP", max(held["longest pause by HTTP"]), "s"),
        ("longest pause by Kafka", max(held["longest pause by Kafka"]), "s"),
    ]
    return [Result("the whole run", "Augury", *figure) for figure in found]


def failed(whole: list[Result]) -> bool:
    """Tell whether anything was lost, doubled, wrong or hung, or was not told what is wrong with it."""
    never = {*BAD, "bad inputs without a stated problem"}
    return any(r.metric in never and r.value for r in whole)


def main() -> int:
    """Run a size, write and print the figures; 1 where anything is lost, doubled, wrong or hung."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="quick")
    parser.add_argument("--only", default="", help="faults whose name has this text")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the servers are ended, as by ^C
    with site() as at:
        run = Run(at, SIZES[given.size])
        run.start()
        for _ in range(run.size.rounds):
            for fault in (*FAULTS, *run.inputs()):
                if given.only in fault.name:
                    run.endure(fault)
        checks = run.finish()
    show(run.figures)
    for system in dict.fromkeys(r.system for r in checks):
        show([r for r in checks if r.system == system])
    whole = totals(run, run.figures, checks)
    show(whole)
    for wrong in run.bad_http.wrong[:10]:
        print(wrong)
    print(f"written to {write('faults', [*whole, *checks, *run.figures])}")
    return 1 if failed(whole) else 0


if __name__ == "__main__":
    sys.exit(main())
