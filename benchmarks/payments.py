"""Payments for the streaming benchmark, the group over them, and what its rows must be.

All is made with NumPy from one seed: as many payments as asked, evenly over two hours of the log's time, each
card as often as every other and in random order; but the first cards, `SAMPLED` of them, have `EACH` payments
and are few enough to be computed by the reference. None is late and none comes twice.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import ROOT
from features import Entity, FeatureGroup, Source, count, total
from features.compile import compile_group
from features.plan import GroupPlan
from features.reference import LogRecord

SPANS = ("1h", "6h", "1d", "7d", "21d", "10m", "30m", "3h")
PARTITIONS, SAMPLED, EACH = 4, 8, 60
START, SPAN = 1_700_006_400_000, 2 * 3_600_000
END = START + SPAN
"""The moment (ms) of the last clock tick: rows come before it."""

Ints = NDArray[np.int64]


def group(name: str, topic: str, windows: int) -> GroupPlan:
    """Give a count and a sum over each of the first `windows` of the spans, of the payments in a topic."""
    source = Source(topic, ROOT / "payment.avsc", "paid_at", "id", "card", dedup=None, partitions=PARTITIONS)
    aggregates = [a for span in SPANS[:windows] for a in (count(over=span), total("amount", over=span))]
    return compile_group(
        FeatureGroup(name, version=1, entity=Entity("card"), source=source, aggregates=aggregates)
    )


@dataclass(frozen=True)
class Payments:
    """The payments in the order of the log: card, moment (ms), partition and offset of each."""

    entities: int
    cards: Ints
    times: Ints
    partitions: Ints
    offsets: Ints
    amounts: NDArray[np.float64]

    @staticmethod
    def make(events: int, entities: int) -> "Payments":
        """Make payments; every card has one at least where there are as many events."""
        rng = np.random.default_rng(entities)
        cards = rng.permutation(SAMPLED + np.arange(events) % (entities - SAMPLED))
        places = rng.choice(events, SAMPLED * EACH, replace=False)
        cards[places] = np.arange(SAMPLED * EACH) % SAMPLED
        partitions = cards % PARTITIONS
        offsets = np.empty(events, np.int64)
        for partition in range(PARTITIONS):
            there = partitions == partition
            offsets[there] = np.arange(np.count_nonzero(there))
        times = START + np.arange(events) * SPAN // events
        amounts: NDArray[np.float64] = np.exp(rng.random(events) * 9)
        return Payments(len(np.unique(cards)), cards, times, partitions, offsets, amounts.round(2))

    def __len__(self) -> int:
        """Give how many there are."""
        return len(self.cards)

    def records(self, chosen: Sequence[int] | range) -> Iterator[tuple[int, dict[str, Any]]]:
        """Give the partition and the Avro record of the chosen ones."""
        for i in chosen:
            yield (
                int(self.partitions[i]),
                {
                    "id": int(i),
                    "paid_at": int(self.times[i]),
                    "card": str(self.cards[i]),
                    "amount": float(self.amounts[i]),
                },
            )

    def sample(self, topic: str) -> list[LogRecord]:
        """Give the log of the first cards, as the reference takes it."""
        chosen = np.flatnonzero(self.cards < SAMPLED).tolist()
        return [
            LogRecord(topic, partition, int(self.offsets[i]), int(self.times[i]), record)
            for i, (partition, record) in zip(chosen, self.records(chosen), strict=True)
        ]

    def decays(self, plan: GroupPlan) -> int:
        """Count the boundaries before `END` at which a tile with an event leaves a window, each once a card.

        That is how many rows of decay there are: no event is late, so each is in all windows at first.
        """
        found = []
        for window in plan.windows:
            leaves = self.times - self.times % window.hop + window.hop + window.size
            held = leaves < END
            found.append(np.stack([self.cards[held], leaves[held]]))
        return int(np.unique(np.concatenate(found, axis=1), axis=1).shape[1])
