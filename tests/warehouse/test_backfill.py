from dataclasses import replace

import pytest

from features.reference import rows
from tests.features.logs import DAY, HOUR, MINUTE, START, Case, Step
from tests.warehouse.history import EVER, create, read_rows, write_log
from warehouse import backfill as sliced
from warehouse.backfill import backfill, log_clock
from warehouse.client import Client

STEPS = (
    Step(delay=1.0, seats=4),
    Step(gap=HOUR, delay=20.0, seats=3, partition=1, carrier="B|\\"),
    Step(gap=MINUTE, id=1, late=2 * HOUR),
    Step(gap=HOUR, delay=0.1, seats=5, late=HOUR, partition=2),
    Step(gap=DAY, id=1, delay=-7.25),
)
CASE = Case(
    (("1h", "30m"), ("6h", None)), ("delay_min", "delay_sum", "late_last", "seats_mean"), STEPS, partitions=3
)
END = CASE.end + DAY


@pytest.fixture
def history(database: Client) -> Client:
    create(database, CASE.plan)
    write_log(database, CASE.plan.source, CASE.records)
    return database


def written(client: Client) -> list[dict[str, object]]:
    return read_rows(client, CASE.plan, CASE.plan.backfill_table)


def test_a_second_run_writes_the_same_rows(history: Client) -> None:
    wanted = rows(CASE.plan, CASE.records, END)
    for _ in range(2):
        done = backfill(history, CASE.plan, EVER, END)
        assert (done.rows, done.events) == (len(wanted), len(STEPS))
        assert written(history) == wanted
    assert history.query("SHOW TABLES LIKE '%stage%'").result_rows == []


def test_a_later_end_only_adds(history: Client) -> None:
    middle = START + HOUR + MINUTE
    backfill(history, CASE.plan, EVER, middle)
    early = written(history)
    assert early == rows(CASE.plan, CASE.records, middle)
    backfill(history, CASE.plan, EVER, END)
    late = written(history)
    assert [row for row in late if row in early] == early
    assert late == rows(CASE.plan, CASE.records, END)


def test_only_the_range_is_written_with_seq_from_the_origin(history: Client) -> None:
    since, until = START + HOUR, START + 2 * HOUR
    done = backfill(history, CASE.plan, since, until)
    wanted = [r for r in rows(CASE.plan, CASE.records, until) if r["event_timestamp"] >= since]
    assert written(history) == wanted
    assert done.rows == len(wanted)
    assert min(row["seq"] for row in wanted if row["entity"] == "A") > 1


@pytest.mark.parametrize("aggregates", [(), CASE.aggregates])
def test_an_empty_log_gives_no_rows(database: Client, aggregates: tuple[str, ...]) -> None:
    plan = replace(CASE, aggregates=aggregates).plan
    create(database, plan)
    done = backfill(database, plan, EVER, END)
    assert (done.rows, done.events) == (0, 0)


def test_a_backfill_that_fails_leaves_no_stage(history: Client) -> None:
    history.command(f"DROP TABLE {CASE.plan.backfill_table}")
    with pytest.raises(Exception, match="UNKNOWN_TABLE"):
        backfill(history, CASE.plan, EVER, END)
    assert history.query("SHOW TABLES LIKE '%stage%'").result_rows == []


def test_many_slices_write_the_rows_of_one(history: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sliced, "_ROW_BYTES", sliced.MEMORY)  # a slice for each record
    told: list[tuple[int, int]] = []
    done = backfill(history, CASE.plan, EVER, END, report=lambda *at: told.append(at))
    wanted = rows(CASE.plan, CASE.records, END)
    assert (done.rows, done.events) == (len(wanted), len(STEPS))
    assert written(history) == wanted
    assert len(told) > len(STEPS)
    assert [at for at, _ in told] == sorted(at for at, _ in told)
    assert told[-1][0] == told[-1][1]


@pytest.mark.parametrize("at", [1, 2, 3])  # while it gathers, after one slice, and after two
def test_what_was_cut_short_goes_on_where_it_was(
    history: Client, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    monkeypatch.setattr(sliced, "_ROW_BYTES", sliced.MEMORY)
    told: list[int] = []

    def cut(done: int, _of: int) -> None:
        told.append(done)
        if len(told) == at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backfill(history, CASE.plan, EVER, END, report=cut)
    again: list[int] = []
    done = backfill(history, CASE.plan, EVER, END, report=lambda now, _of: again.append(now))
    wanted = rows(CASE.plan, CASE.records, END)
    assert (done.rows, done.events) == (len(wanted), len(STEPS))
    assert written(history) == wanted
    assert at == 1 or not again or again[0] > told[-1]  # neither the gathering nor a slice was done twice
    assert history.query("SHOW TABLES LIKE '%stage%'").result_rows == []


def test_a_log_that_went_on_is_another_run(history: Client) -> None:
    def cut(_done: int, _of: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backfill(history, CASE.plan, EVER, END, report=cut)
    longer = replace(CASE, steps=(*STEPS, Step(gap=MINUTE, delay=9.0, partition=1)))
    write_log(history, CASE.plan.source, longer.records)
    backfill(history, CASE.plan, EVER, END)
    assert written(history) == rows(CASE.plan, longer.records, END)


def test_the_logs_clock_is_that_of_its_slowest_partition(database: Client) -> None:
    source = replace(CASE.plan.source, topic="landed", partitions=2)
    columns = ["topic", "partition", "log_time", "offset"]
    database.insert("log_clock", [["landed", 0, START, 0], ["other", 1, START, 0]], column_names=columns)
    assert log_clock(database, source) is None  # of one partition nothing is known
    database.insert("log_clock", [["landed", 1, START + 5, 0]], column_names=columns)
    assert log_clock(database, source) == START
    database.insert("log_clock", [["landed", 0, START + 7, 1]], column_names=columns)  # not yet merged
    assert log_clock(database, source) == START + 5
