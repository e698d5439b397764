"""Parts that fail in mid-stream: the rows are what they would be without, and so is the online store."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from augury.apply import cluster, log_addresses, restart
from features.inputs import SourcePlan
from features.types import DataType
from streams.job import SavepointError, cancel, jobs, running, stop_with_savepoint, submit
from tests.conformance.engines import PLANS, differences, reference, seeded, wrong
from tests.conformance.flink import Flink
from tests.end_to_end.world import until

pytestmark = pytest.mark.stack

Meanwhile = Callable[[], None]


def killed(*parts: str) -> Callable[[Flink, Meanwhile], None]:
    """End parts by SIGKILL, and start them again."""

    def fail(flink: Flink, meanwhile: Meanwhile) -> None:
        for part in parts:
            flink.stack.kill(part)
        meanwhile()
        for part in parts:
            flink.stack.start(part)

    return fail


def gained(source: SourcePlan) -> SourcePlan:
    """Give the source after its schema has gained a column, ahead of all others."""
    field = {"name": "added", "type": ["null", "string"], "default": None}
    avro = source.avro | {"fields": [field, *source.avro["fields"]]}
    return replace(source, avro=avro, columns={"added": DataType.TEXT} | source.columns)


def stopped(parallelism: int) -> Callable[[Flink, Meanwhile], None]:
    """Stop the jobs with savepoints, and start them from those after their sources have gained a column."""

    def fail(flink: Flink, meanwhile: Meanwhile) -> None:
        settings = flink.settings
        folder = f"file://{settings.home}/flink/savepoints"
        left = {}
        for plan in PLANS:
            job = running(settings.flink_url, plan.label)
            assert job is not None
            left[plan.label] = stop_with_savepoint(settings.flink_url, job, folder)
            assert Path(left[plan.label].removeprefix("file:"), "_metadata").is_file()
            assert running(settings.flink_url, plan.label) is None
        wider = [
            replace(
                plan,
                sources=tuple(gained(source) for source in plan.sources),
                lookups=tuple(replace(each, source=gained(each.source)) for each in plan.lookups),
            )
            for plan in PLANS
        ]
        flink.gain(wider)
        meanwhile()
        at = replace(cluster(settings), parallelism=parallelism)
        for plan in wider:
            submit(plan, log_addresses(settings), at, recover_from=left[plan.label])

    return fail


def cancelled(parallelism: int) -> Callable[[Flink, Meanwhile], None]:
    """Cancel the jobs, and start them from their last checkpoints."""

    def fail(flink: Flink, meanwhile: Meanwhile) -> None:
        settings = flink.settings
        ids = {flink.job(plan) for plan in PLANS}
        for job in jobs(settings.flink_url):
            if job.id in ids:
                cancel(settings.flink_url, job)
        meanwhile()
        ended = lambda: all(j.state == "CANCELED" for j in jobs(settings.flink_url) if j.id in ids)  # noqa: E731
        until(ended, "the jobs' ends")
        for plan in PLANS:
            submit(plan, log_addresses(settings), replace(cluster(settings), parallelism=parallelism))

    return fail


def test_a_job_that_gets_no_savepoint_runs_on(flink: Flink) -> None:
    job = running(flink.settings.flink_url, PLANS[0].label)
    assert job is not None
    with pytest.raises(SavepointError, match=f"{job.name} has none in file:///proc/nowhere"):
        stop_with_savepoint(flink.settings.flink_url, job, "file:///proc/nowhere")
    restarted = restart(PLANS[0], flink.settings)  # which does get one, in the job's own folder
    assert restarted == flink.job(PLANS[0]) != job.id
    assert wrong(flink, [seeded(5, 60)]) == [{}]


@pytest.mark.parametrize(
    "fail",
    [
        pytest.param(killed("flink-taskmanager"), id="the task manager is killed"),
        pytest.param(killed("materialiser", "sink"), id="materialiser and sink are killed"),
        pytest.param(
            stopped(2), id="sources gain a column, jobs go on from savepoints at twice the parallelism"
        ),
        pytest.param(cancelled(1), id="sources lose it, jobs go on from checkpoints at half the parallelism"),
    ],
)
def test_rows_are_as_if_nothing_had_been(
    flink: Flink, request: pytest.FixtureRequest, fail: Callable[[Flink, Meanwhile], None]
) -> None:
    logs = flink.place(seeded(len(request.node.name), 160))
    for log in logs:
        flink.publish(log.records[:60])
    flink.taken()  # there is state in a checkpoint
    before = [flink.emitted(plan) for plan in PLANS]
    for log in logs:
        flink.publish(log.records[60:80])
    grown = lambda: all(flink.emitted(p) > n for p, n in zip(PLANS, before, strict=True))  # noqa: E731
    until(grown, "rows of what was sent last")

    def meanwhile() -> None:
        for log in logs:
            flink.publish(log.records[80:])

    fail(flink, meanwhile)
    flink.end()
    flink.settle(logs[0].until)
    for log, expected in zip(logs, reference(logs), strict=True):
        assert differences(flink.stored(log), expected) == []
        assert flink.wrong_in_store(log.plan) == []
        found = flink.backfilled(log.plan, log.until)
        assert (found.mismatches, found.first) == (0, ())
