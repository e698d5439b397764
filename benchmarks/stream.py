"""Streaming: events a second from Kafka through the windows back to Kafka, and how soon Redis shows them.

Throughput: the payments are in the log before a job starts, so it drains a backlog as fast as it can. The
output topic is stamped by the broker as it appends; measured is from the moment when a fifth of the events
are out to the last one, so that neither the job's start nor the compiler's warming up counts. CPU is what
the task manager takes, all threads together, once a fifth of the rows are out: other loads change it little.
State is the size of the savepoint behind which a job is stopped. Beside a group's job stand, in the same run
and with the same connector, formats and settings, one that only copies (the floor) and Flink SQL's OVER with
one window.

Latency: the group's job and the materialiser first drain a backlog together, until Redis shows all of it;
then payments come at half of that load, and each is timed from its producer to when Redis holds its row.
"""

import argparse
import signal
import sys

from benchmarks.cluster import Servers, servers
from benchmarks.common import Result, show, write
from benchmarks.latency import TO_REDIS, latency
from benchmarks.payments import Payments, group
from benchmarks.profile import hottest
from benchmarks.stream_cases import FLOOR, OURS, SIZES, SQL, Case, short
from benchmarks.stream_jobs import copy, over
from benchmarks.stream_output import Output, unlike, wrong_rows
from features.plan import GroupPlan
from streams.job import submit

PATIENCE_S = 1_800.0
PROFILED = 5  # windows
NOTES = (
    "Augury writes a row for each event and for each moment at which a value decays, the others for events",
    "goals: with five windows 60% of the copying job, 150% of OVER, and 250 ms at p99",
    "checked: every event has one row and every decay one, each entity's rows are gapless, eight entities' "
    "rows are those of the reference; OVER's values are Augury's where both windows hold the same events",
)


class Run:
    """The cases of a run, on servers that are up; keeps what is compared later."""

    def __init__(self, at: Servers, profiled: bool) -> None:
        self._at = at
        self._profiled = profiled
        self._payments: dict[tuple[int, int], Payments] = {}
        self._over: dict[str, Output] = {}
        self._number = 0

    def payments(self, events: int, entities: int) -> tuple[str, Payments]:
        """Give payments and their topic; published when first asked for."""
        topic = f"payments_{short(events)}_of_{short(entities)}".lower()
        if (events, entities) not in self._payments:
            made = self._payments[events, entities] = Payments.make(events, entities)
            print(f"publishing {events:,} payments of {entities:,} cards", flush=True)
            self._at.publish(group("any", topic, 1).source, made)
        return topic, self._payments[events, entities]

    def case(self, case: Case) -> list[Result]:
        """Drain the backlog by one system, and check what it wrote."""
        topic, payments = self.payments(case.events, case.entities)
        self._number += 1
        plan = group(f"case_{self._number}", topic, max(1, case.windows))
        target = plan.topic
        self._at.topic(target)
        flink = self._at.flink(case.backend, case.parallelism)
        output = Output(case.entities)
        expected = len(payments) + (payments.decays(plan) if case.system == OURS else 0)
        if case.system == OURS:
            submit(plan, self._at.addresses, flink)
        else:
            (copy if case.system == FLOOR else over)(plan, target, self._at.addresses, flink)
        label = plan.label if case.system == OURS else target
        before, began = self._at.await_rows(target, expected // 5, label, PATIENCE_S), self._at.cpu_s()
        profile = hottest(self._at, label) if self._profiled and case.windows == PROFILED else {}
        self._at.await_rows(target, expected, label, PATIENCE_S)
        cpu_s = self._at.cpu_s() - began
        state = self._at.stop(label)
        take = {FLOOR: output.take_copy, SQL: output.take_over}
        self._at.read(target, take.get(case.system) or output.take_ours(plan, self._at.codec.decode))
        figures: list[tuple[str, float | str, str]] = [
            ("events", output.rate, "1/s"),
            ("rows", output.rate * output.rows / len(payments), "1/s"),
            ("CPU an event", cpu_s * 1e6 / (max(1, expected - before) / expected * len(payments)), "µs"),
            ("state an entity", state / payments.entities, "bytes"),
            *self._checks(case, plan, payments, output),
        ]
        print(f"{case.workload}, {case.name}: {output.rate:,.0f} events/s", flush=True)
        figures += [(f"in {name}", share, "%") for name, share in profile.items()]
        return [Result(case.workload, case.name, *figure) for figure in figures]

    def _checks(
        self, case: Case, plan: GroupPlan, payments: Payments, output: Output
    ) -> list[tuple[str, float, str]]:
        if case.system == FLOOR:
            return [("differences", abs(output.rows - len(payments)), "")]
        if case.system == SQL:
            self._over[case.workload] = output
            return [("differences", abs(output.rows - len(payments)), "")]
        wrong = wrong_rows(output, plan, payments)
        if case.windows > 1 or case.workload not in self._over:
            return [("differences", wrong, "")]
        compared, different = unlike(output, self._over.pop(case.workload))
        return [("differences", wrong + different, ""), ("values compared", compared, "")]


def ratios(results: list[Result]) -> list[Result]:
    """Give Augury's throughput as a share of the copying job's and of OVER's, where they stand beside it."""
    rates = {(r.workload, r.system): float(r.value) for r in results if r.metric == "events"}
    found = []
    for (workload, system), rate in rates.items():
        if not system.startswith(OURS):
            continue
        for other, metric in ((FLOOR, "of the copying job"), (SQL, "of OVER")):
            if (workload, other) in rates:
                share = 100 * rate / rates[workload, other]
                found.append(Result(workload, system, metric, share, "%"))
    return found


def main() -> int:
    """Run the cases, write and print the results; 1 where values differ or nothing could be compared."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stream", description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="quick")
    parser.add_argument("--only", default="", help="run the cases whose workload and system hold this text")
    parser.add_argument("--profile", action="store_true", help="tell where the job with five windows spends")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the servers are ended, as by ^C
    size = SIZES[given.size]
    results: list[Result] = []
    with servers(size.heap_mb, size.managed_mb) as at:
        run = Run(at, given.profile)
        for case in size.cases:
            if given.only in f"{case.workload}, {case.name}":
                results += run.case(case)
        if size.live_s and given.only in "latency":
            topic, payments = run.payments(size.live_events, size.live_entities)
            results += latency(at, topic, payments, size.live_s)
    results += ratios(results)
    to_redis = [r for r in results if r.workload.startswith(TO_REDIS)]
    for table in ([r for r in results if r not in to_redis], to_redis):
        if table:
            show(table)
    print(*(f"- {note}" for note in NOTES), sep="\n")
    print(f"written to {write('stream', results)}")
    unlike_rows = [r for r in results if r.metric == "differences" and r.value]
    nothing = [r for r in results if r.metric == "values compared" and not r.value]
    return 1 if unlike_rows or nothing else 0


if __name__ == "__main__":
    sys.exit(main())
