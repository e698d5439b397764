"""Batches: requests for many predictions at once, scored slice by slice between the single requests."""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
from confluent_kafka import Message

from inference.delivery import Outgoing
from inference.files import BatchError, BatchFiles, Rows
from inference.letters import Letters
from inference.predictor import Answer
from inference.records import ID_CHARACTERS
from inference.replies import Position, Reply
from inference.scoring import Scoring
from schemas.codec import Codec, RefusedRecordError
from schemas.records import TOPICS, load

BATCHES, PROGRESS = "prediction.batches", "prediction.progress"
_SLICE = 500  # rows between two looks at the single requests
_SHARED = ("model_name", "model_version", "variant", "requested_at", "explain")  # by all rows
_ID_CHARACTERS = ID_CHARACTERS - 20  # the rest is for the row's number
_OUTAGE_SECONDS = 1.0
_LOG = logging.getLogger(__name__)


@dataclass
class _Batch:
    """A batch that is being scored; `fields` are those that all its rows have."""

    batch_id: str
    fields: Mapping[str, Any]
    rows: Rows
    done: int
    failed: int


class Batches:
    """The batches of a worker's partitions, one of each partition at a time. `clock` gives ms.

    While a batch runs, its partition stays at its record, and the offset's note says how many rows have a
    result: so a worker that takes over goes on behind them.
    """

    def __init__(
        self,
        codec: Codec,
        files: BatchFiles,
        scoring: Scoring,
        letters: Letters,
        clock: Callable[[], int],
    ) -> None:
        self._codec = codec
        self._files = files
        self._scoring = scoring
        self._letters = letters
        self._clock = clock
        self._encode = codec.encoder(PROGRESS, load(TOPICS[PROGRESS]))
        self._positions: dict[int, Position] = {}
        self._waiting: dict[int, deque[Message]] = {}
        self._running: dict[int, _Batch] = {}
        self._outage_until = 0.0

    def begin(self, positions: Sequence[Position]) -> None:
        """Forget what runs, and go on from what is committed."""
        self._positions = {position.partition: position for position in positions}
        self._waiting.clear()
        self._running.clear()

    def add(self, message: Message) -> None:
        """Take a batch's record; the caller pauses its partition until it is no longer in `busy`."""
        self._waiting.setdefault(int(message.partition() or 0), deque()).append(message)

    @property
    def busy(self) -> set[int]:
        """The partitions with batches that are not over."""
        return set(self._waiting)

    @property
    def ready(self) -> bool:
        """Whether there is a slice to score now."""
        return bool(self._waiting) and time.monotonic() >= self._outage_until

    def slices(self) -> Iterator[list[Reply]]:
        """Score one slice of each partition's batch; the next one is taken when the replies are settled.

        Raises `StoppedError`.
        """
        for partition in list(self._waiting):
            message = self._waiting[partition][0]
            try:
                replies, answers = self._slice(partition, message)
            except (BatchError, RefusedRecordError) as error:
                replies, answers = [self._refusal(partition, message, str(error))], []
            except (OSError, httpx.HTTPError) as error:
                _LOG.warning("a batch waits, for its file's store does not answer: %s", error)
                self._running.pop(partition, None)  # what has failed gives no more rows: it is opened anew
                self._outage_until = time.monotonic() + _OUTAGE_SECONDS
                continue
            yield replies
            self._scoring.settled(answers)
            self._positions[partition] = replies[-1].position
            if replies[-1].position.offset > (message.offset() or 0):
                self._finish(partition)

    def _finish(self, partition: int) -> None:
        self._running.pop(partition, None)
        self._positions.pop(partition, None)
        self._waiting[partition].popleft()
        if not self._waiting[partition]:
            del self._waiting[partition]

    def _slice(self, partition: int, message: Message) -> tuple[list[Reply], list[Answer]]:
        batch = self._running.get(partition)
        if batch is None:
            batch = self._running[partition] = self._open(partition, message)
        rows = next(batch.rows.slices, [])
        if not rows and batch.done < batch.rows.total:
            raise BatchError(
                f"a batch is answered row by row; {batch.batch_id} says that it has {batch.rows.total} rows, "
                f"and ends after {batch.done}: the others have no answer"
            )
        first, offset = batch.done, int(message.offset() or 0)
        read = [
            self._scoring.request({"request_id": f"{batch.batch_id}/{n}", **batch.fields, **row})
            for n, row in enumerate(rows, first)
        ]
        answers, results, records = self._scoring.score(read)
        shadows = self._scoring.shadow(answers)
        replies = []
        for result, record in zip(results, records, strict=True):
            assert result is not None  # a row's request_id can be read
            assert record is not None
            batch.done += 1
            batch.failed += result.error is not None
            replies.append(
                Reply(
                    [record, *shadows.get(result.request_id, ())],
                    Position(BATCHES, partition, offset, f"{batch.done} {batch.failed}"),
                    partial(self._scoring.too_large, result),
                )
            )
        end = offset if rows and batch.done < batch.rows.total else offset + 1
        note = f"{batch.done} {batch.failed}" if end == offset else ""
        replies.append(
            Reply([self._progress(batch.batch_id, batch)], Position(BATCHES, partition, end, note))
        )
        return replies, answers

    def _open(self, partition: int, message: Message) -> _Batch:
        record = self._codec.decode(message.value() or b"")
        done, failed = self._done(partition, message)
        fields = {name: record.get(name) for name in _SHARED}
        batch_id, uri, rows = (record.get(name) for name in ("batch_id", "uri", "rows"))
        if not isinstance(batch_id, str) or not 1 <= len(batch_id) <= _ID_CHARACTERS:
            raise BatchError(
                f"a batch has a batch_id of 1 to {_ID_CHARACTERS} characters, for its rows are answered "
                f"under it; this one's is {batch_id!r:.300}"
            )
        if (uri is None) == (rows is None):
            raise BatchError(
                "a batch has either rows or the uri of a file, or it cannot be told what to score; "
                f"{batch_id} has {'neither' if uri is None else 'both'}"
            )
        if rows is not None:
            slices = (rows[n : n + _SLICE] for n in range(done, len(rows), _SLICE))
            return _Batch(batch_id, fields, Rows(len(rows), slices), done, failed)
        found = self._files.rows(str(uri), record.get("entity_columns") or [], done, _SLICE)
        return _Batch(batch_id, fields, found, done, failed)

    def _done(self, partition: int, message: Message) -> tuple[int, int]:
        """Give the rows of the batch that have a result already, and how many of these are errors."""
        at = self._positions.get(partition)
        if at is None or at.offset != message.offset() or not at.note:
            return 0, 0
        done, failed = at.note.split()
        return int(done), int(failed)

    def _refusal(self, partition: int, message: Message, reason: str) -> Reply:
        offset, at = int(message.offset() or 0), message.timestamp()[1]
        batch = self._running.get(partition)
        records = [self._letters.refused("worker", BATCHES, partition, offset, at, message.value(), reason)]
        try:
            batch_id = self._codec.decode(message.value() or b"").get("batch_id")
        except RefusedRecordError:
            batch_id = None
        if isinstance(batch_id, str):
            records.append(self._progress(batch_id[:ID_CHARACTERS], batch, reason[:1_000]))
        return Reply(records, Position(BATCHES, partition, offset + 1, ""))

    def _progress(self, batch_id: str, batch: _Batch | None, error: str | None = None) -> Outgoing:
        """Write how far a batch has come."""
        record = {
            "batch_id": batch_id,
            "done": 0 if batch is None else batch.done,
            "total": 0 if batch is None else batch.rows.total,
            "failed": 0 if batch is None else batch.failed,
            "error": error,
            "at": self._clock(),
        }
        return Outgoing(PROGRESS, batch_id.encode(), self._encode(record))
