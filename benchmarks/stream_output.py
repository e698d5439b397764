"""What the measured jobs have written, and whether it is what it must be."""

from array import array
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any

import fastavro
import numpy as np
from confluent_kafka import Message
from numpy.typing import NDArray

from benchmarks.payments import END, PARTITIONS, SAMPLED, Payments
from benchmarks.stream_jobs import SUMMED
from features.plan import GroupPlan
from features.reference import rows

Decode = Callable[[bytes], dict[str, Any]]
_SUMMED = fastavro.parse_schema(SUMMED)
_FRAME = 5  # bytes before a record: a zero and the schema's id
_HEAD = 9  # fields of a row up to the first count and sum
_WARMING = 5  # of so many parts of the events, the first is left out of the time


class Output:
    """The rows of one job over payments of `cards` cards.

    Of each event: the broker's time (ms), its place in the log, and the count and sum of the first window.
    Of each card the newest `seq`, and of the sampled ones all rows.
    """

    def __init__(self, cards: int) -> None:
        self.rows = 0
        self.moments = array("q")
        self.places = array("q")
        self.counts = array("q")
        self.amounts = array("d")
        self.newest = array("q", [0]) * cards
        self.sampled: list[dict[str, Any]] = []

    def take_ours(self, plan: GroupPlan, decode: Decode) -> Callable[[Message], None]:
        """Give what takes one message of the group's; only the sampled cards' rows are decoded whole."""
        head = fastavro.parse_schema({**plan.avro_schema(), "fields": plan.avro_schema()["fields"][:_HEAD]})

        def take(message: Message) -> None:
            row = _read(message, head)
            self.take_row(row, message.timestamp()[1])
            if int(row["entity"]) < SAMPLED:
                self.sampled.append(decode(message.value() or b""))

        return take

    def take_row(self, row: Mapping[str, Any], moment: int) -> None:
        """Take one row of the group's, which the broker appended at `moment`."""
        self.rows += 1
        card = int(row["entity"])
        self.newest[card] = max(row["seq"], self.newest[card])
        if row["offset"] is not None:
            self._take_event(row, moment)

    def take_over(self, message: Message) -> None:
        """Take one row of OVER's."""
        self.rows += 1
        self._take_event(_read(message, _SUMMED), message.timestamp()[1])

    def _take_event(self, row: Mapping[str, Any], moment: int) -> None:
        self.moments.append(moment)
        self.places.append(row["offset"] * PARTITIONS + row["partition"])
        self.counts.append(row["count_1h"])
        self.amounts.append(row["amount_sum_1h"])

    def take_copy(self, message: Message) -> None:
        """Take one copied payment."""
        self.rows += 1
        self.moments.append(message.timestamp()[1])

    @property
    def rate(self) -> float:
        """Events a second over the last four fifths of them."""
        moments = np.sort(np.array(self.moments))
        first = len(moments) // _WARMING
        return (len(moments) - first) * 1_000 / max(1, int(moments[-1] - moments[first]))


def _read(message: Message, schema: Any) -> dict[str, Any]:  # noqa: ANN401
    """Decode a record, or as many of its first fields as the schema has."""
    row = fastavro.schemaless_reader(BytesIO((message.value() or b"")[_FRAME:]), schema, None)
    assert isinstance(row, dict)
    return row


def wrong_rows(output: Output, plan: GroupPlan, payments: Payments) -> int:
    """Count what is not as it must be in the group's rows: none is missing, and none is there twice."""
    events = len(payments)
    wrong = len(np.setxor1d(np.array(output.places), payments.offsets * PARTITIONS + payments.partitions))
    wrong += abs(len(output.places) - events)
    wrong += abs(output.rows - events - payments.decays(plan))
    wrong += abs(output.rows - sum(output.newest))  # seq is gapless
    expected = rows(plan, payments.sample(plan.source.topic), END)
    found = sorted(output.sampled, key=lambda row: (row["entity"], row["seq"]))
    wrong += abs(len(expected) - len(found))
    return wrong + sum(a != b for a, b in zip(expected, found, strict=False))


def unlike(ours: Output, theirs: Output) -> tuple[int, int]:
    """Compare OVER's values with Augury's where both windows hold the same events.

    Gives how many were compared, and how many differ, are missing, or were counted over more events than
    Augury's, which a tile's edge only lengthens. Sums to 1e-9, for OVER adds doubles.
    """
    left, right = np.array(ours.places), np.array(theirs.places)
    _, mine, other = np.intersect1d(left, right, return_indices=True)
    missing = len(left) + len(right) - 2 * len(mine)
    counts, amounts = _at(ours.counts, mine), _at(ours.amounts, mine)
    their_counts, their_amounts = _at(theirs.counts, other), _at(theirs.amounts, other)
    same = counts == their_counts
    far = np.abs(their_amounts - amounts) > 1e-9 * np.abs(amounts)
    wrong = missing + np.count_nonzero(same & far) + np.count_nonzero(counts < their_counts)
    return int(np.count_nonzero(same)), int(wrong)


def _at(values: "array[Any]", places: NDArray[np.int64]) -> NDArray[Any]:
    found: NDArray[Any] = np.array(values)[places]
    return found
