import pytest

from benchmarks.payments import END, SAMPLED, Payments, group
from benchmarks.stream_output import Output, unlike, wrong_rows
from features.reference import LogRecord, rows

PLAN = group("some", "payments", 2)
PAYMENTS = Payments.make(600, 20)


def written() -> Output:
    """What a job writes that makes no mistake."""
    output = Output(20)
    log = [
        LogRecord("payments", partition, int(PAYMENTS.offsets[i]), int(PAYMENTS.times[i]), record)
        for i, (partition, record) in enumerate(PAYMENTS.records(range(len(PAYMENTS))))
    ]
    for row in rows(PLAN, log, END):
        output.take_row(row, row["event_timestamp"])
        if int(row["entity"]) < SAMPLED:
            output.sampled.append(row)
    return output


def test_what_the_reference_gives_is_right() -> None:
    assert wrong_rows(written(), PLAN, PAYMENTS) == 0


def test_a_wrong_value_a_lost_row_and_a_row_too_many_are_found() -> None:
    value, lost, twice, gap = written(), written(), written(), written()
    value.sampled[7] = value.sampled[7] | {"amount_sum_6h": -1.0}
    lost.places.pop()
    lost.rows -= 1
    twice.places.append(twice.places[0])
    gap.newest[19] += 1
    for output in (value, lost, twice, gap):
        assert wrong_rows(output, PLAN, PAYMENTS) > 0


@pytest.mark.parametrize(
    ("count", "share", "found"),
    [
        (0, 1.0, (0, 0)),
        (-1, 0.5, (-1, 0)),  # a tile's edge lengthens our window
        (1, 1.0, (-1, 1)),
        (0, 1 + 1e-8, (0, 1)),
    ],
)
def test_values_are_compared_where_both_windows_hold_the_same_events(
    count: int, share: float, found: tuple[int, int]
) -> None:
    ours, theirs = written(), written()
    theirs.counts[99] += count
    theirs.amounts[99] *= share
    assert unlike(ours, theirs) == (len(PAYMENTS) + found[0], found[1])


def test_an_event_without_a_value_of_the_other_is_a_difference() -> None:
    ours, theirs = written(), written()
    theirs.places.pop()
    assert unlike(ours, theirs) == (len(PAYMENTS) - 1, 1)


def test_the_rate_is_that_of_the_last_four_fifths() -> None:
    output = Output(1)
    output.moments.extend([1_000, 9_000, 3_000, 2_000, 4_000])
    assert output.rate == 4 / 7
