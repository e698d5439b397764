"""What a worker writes for each record that it has read, and how far that brings its partition."""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from confluent_kafka import TopicPartition

from inference.delivery import Outgoing
from inference.letters import Letters
from inference.transactions import RefusedError, Transactions

_LOG = logging.getLogger(__name__)


class Position(NamedTuple):
    """Where reading goes on in a partition; `note` is committed with the offset, and read with it."""

    topic: str
    partition: int
    offset: int
    note: str


class Reply(NamedTuple):
    """Records that go to the log together with the position of what they reply to.

    `instead` gives smaller records for a reason, where Kafka does not take the first ones.
    """

    records: list[Outgoing]
    position: Position
    instead: Callable[[str], list[Outgoing]] | None = None


class Replies:
    """Writes replies exactly once: the records of a reply, and its position, are of one transaction."""

    def __init__(self, transactions: Transactions, letters: Letters) -> None:
        self._transactions = transactions
        self._letters = letters

    def settle(self, replies: Sequence[Reply], group: Any) -> None:  # noqa: ANN401
        """Write all replies in one transaction, or in several, in order, where Kafka refuses a record.

        A reply that is refused when it is alone is replaced by its smaller form and a dead letter. Raises
        `UnwrittenError`; then a first part may have been written.
        """
        left = [replies]
        while left:
            part = left.pop()
            if not part:
                continue
            try:
                self._write([record for reply in part for record in reply.records], part, group)
            except RefusedError as error:
                if len(part) == 1:
                    self._shrink(part[0], str(error), group)
                    continue
                # Which one is refused Kafka does not tell; it is the largest, unless a whole batch is.
                largest = max(range(len(part)), key=lambda n: _size(part[n]))
                left += [part[largest + 1 :], part[largest : largest + 1], part[:largest]]

    def _shrink(self, reply: Reply, reason: str, group: Any) -> None:  # noqa: ANN401
        for records in self._forms(reply, reason):
            try:
                self._write(records, [reply], group)
            except RefusedError as error:
                _LOG.error("Kafka refuses what replaces a record that it has refused: %s", error)
            else:
                return

    def _forms(self, reply: Reply, reason: str) -> Iterator[list[Outgoing]]:
        """Give ever less to write, at last nothing, so that no record blocks those behind it."""
        smaller = [] if reply.instead is None else reply.instead(reason)
        largest = max(reply.records, key=lambda record: len(record.value))  # nothing is refused of none
        _LOG.error(
            "a record of %d bytes for %s is refused by Kafka and left out: %s",
            len(largest.value),
            largest.topic,
            reason,
        )
        letter = self._letters.unsent(largest, reason)
        yield [*smaller, letter]
        yield [letter]
        yield []

    def _write(
        self,
        records: Sequence[Outgoing],
        replies: Sequence[Reply],
        group: Any,  # noqa: ANN401
    ) -> None:
        last = {reply.position[:2]: reply.position for reply in replies}
        offsets = [TopicPartition(p.topic, p.partition, p.offset, p.note) for p in last.values()]
        self._transactions.write(records, offsets, group)


def _size(reply: Reply) -> int:
    return max((len(record.value) for record in reply.records), default=0)
