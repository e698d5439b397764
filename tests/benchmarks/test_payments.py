import numpy as np
import pytest

from benchmarks.payments import EACH, END, PARTITIONS, SAMPLED, SPANS, START, Payments, group
from features.reference import LogRecord, rows


@pytest.fixture(scope="module")
def payments() -> Payments:
    return Payments.make(1_000, 50)


def test_every_card_pays_and_the_sampled_ones_as_often_as_each_other(payments: Payments) -> None:
    cards, counts = np.unique(payments.cards, return_counts=True)
    assert cards.tolist() == list(range(50))
    assert counts[:SAMPLED].tolist() == [EACH] * SAMPLED
    assert payments.entities == 50


def test_each_partition_holds_its_cards_in_order_without_a_gap(payments: Payments) -> None:
    for partition in range(PARTITIONS):
        there = payments.partitions == partition
        assert payments.offsets[there].tolist() == list(range(np.count_nonzero(there)))
        assert set(payments.cards[there] % PARTITIONS) == {partition}
    assert np.all(np.diff(payments.times) > 0)
    assert (payments.times[0], payments.times[-1] < END) == (START, True)


def test_the_sample_is_the_part_of_the_log_with_the_sampled_cards(payments: Payments) -> None:
    sample = payments.sample("payments")
    assert len(sample) == SAMPLED * EACH
    for record in sample:
        assert record.value is not None
        assert payments.cards[record.value["id"]] < SAMPLED
        assert payments.offsets[record.value["id"]] == record.offset
        assert payments.times[record.value["id"]] == record.kafka_time


@pytest.mark.parametrize("windows", [1, 5, len(SPANS)])
def test_there_are_as_many_rows_of_decay_as_the_reference_emits(payments: Payments, windows: int) -> None:
    plan = group("some", "payments", windows)
    log = [
        LogRecord("payments", partition, int(payments.offsets[i]), int(payments.times[i]), record)
        for i, (partition, record) in enumerate(payments.records(range(len(payments))))
    ]
    emitted = rows(plan, log, END)
    assert payments.decays(plan) == sum(row["offset"] is None for row in emitted) > 0
    assert len(payments) == sum(row["offset"] is not None for row in emitted)
