"""The spool: each answer's record is on disk before the answer leaves.

A folder of segments, each named by its number and only ever appended to. A frame is the length and the
CRC-32 of its body; the body is the lengths of topic, key and trace, these three, and the value. A
SIGKILL or a full disk can tear the last frame of a segment, which no answer depends on: it is skipped.
"""

import fcntl
import logging
import os
import struct
import threading
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Self

from inference.delivery import Outgoing

_FRAME = struct.Struct("<II")
_PARTS = struct.Struct("<HIB")
_SUFFIX = ".spool"
_CHUNK_BYTES = 4 << 20
DEFAULT_BYTES = 4 << 30
_COUNTED = 10_000  # records at a time
_LOG = logging.getLogger(__name__)


class SpoolError(RuntimeError):
    """The spool cannot take a record, so the answer must not leave."""


class SpoolFullError(SpoolError):
    """The spool holds as much as it may: Kafka has been away for long, or cannot keep up."""


class Position(NamedTuple):
    """A place in the spool: all before it is in Kafka."""

    segment: int
    offset: int


class Spool:
    """One process's spool in `folder`. `append` is safe from any thread.

    What is not shipped has at most `most_bytes`; beside that the folder may hold a segment that is shipped in
    part. Raises `SpoolError` where another process holds the folder. A new process starts a new segment, so
    that a torn end stays where it is.
    """

    def __init__(self, folder: Path, segment_bytes: int = 16 << 20, most_bytes: int = DEFAULT_BYTES) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._segment_bytes = segment_bytes
        self._most_bytes = most_bytes
        self._mutex = threading.Lock()
        self._owner = os.open(folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(self._owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._owner)
            raise SpoolError(
                f"a spool has one owner, or records would be shipped twice; another process holds {folder}"
            ) from None
        self.grown = threading.Event()
        self._torn = False
        self._open(max([self.position().segment, *self.segments()]) + 1)
        self._records = self._count()
        self._waiting = self._behind(self.position())

    def append(self, records: Sequence[Outgoing]) -> None:
        """Write the records by one write, all or none; raises `SpoolError`, and `SpoolFullError`."""
        frames = b"".join(_frame(record) for record in records)
        with self._mutex:
            if self._waiting + len(frames) > self._most_bytes:
                raise SpoolFullError(
                    "an answer leaves only when its record is spooled, and the spool is full: of "
                    f"{self._most_bytes} bytes that may wait for Kafka, {self._waiting} do, and the record"
                    f"{'s of these answers have' if len(records) > 1 else ' of this one has'} {len(frames)}"
                )
            if self._torn or self._size >= self._segment_bytes:
                self._roll()
            try:
                written = os.write(self._file, frames)
                if written != len(frames):
                    raise OSError(f"the disk took {written} of {len(frames)} bytes")
            except OSError as error:
                self._torn = True  # nothing follows a torn end in its segment, where it would be skipped too
                with suppress(OSError):
                    os.ftruncate(self._file, self._size)
                raise SpoolError(
                    f"an answer leaves only when its record is spooled whole; {error}"
                ) from error
            self._size += written
            self._waiting += written
            self._records += len(records)
        self.grown.set()

    def read(self, position: Position, limit: int) -> tuple[list[Outgoing], Position]:
        """Give up to `limit` records from `position` on, and the position after them.

        At the end of a closed segment the position moves to the next one.
        """
        current = self.current  # before reading: a segment that is closed now grows no more
        for length in (_CHUNK_BYTES, -1):  # all of it only where one record is longer than a chunk
            data = self._bytes(position, length)
            records, read = _unframe(data, limit)
            if records or len(data) < _CHUNK_BYTES:
                break
        if records or position.segment == current:
            return records, Position(position.segment, position.offset + read)
        if data:
            _LOG.warning("skipped a torn end of %d bytes in spool segment %d", len(data), position.segment)
        return [], Position(min(s for s in self.segments() if s > position.segment), 0)

    def position(self) -> Position:
        """Give how far the spool is shipped, as the last `ship` left it, in this process or one before."""
        path = self.folder / "position"
        if path.exists():
            segment, offset = path.read_text(encoding="ascii").split()
            return Position(int(segment), int(offset))
        return Position(min(self.segments(), default=0), 0)

    def depth(self) -> tuple[int, int]:
        """Give how many bytes and how many records are not shipped; for any thread."""
        return self._waiting, self._records

    def ship(self, position: Position, records: int) -> None:
        """Note durably that all before `position` is in Kafka, and delete the segments before it.

        `records` is how many there are between the last position and this one.
        """
        part = self.folder / "position.part"
        with part.open("w", encoding="ascii") as file:
            file.write(f"{position.segment} {position.offset}")
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.folder / "position")
        for segment in self.segments():
            if segment < position.segment:
                self._path(segment).unlink()
        with self._mutex:
            self._records -= records
            self._waiting = self._behind(position)

    def segments(self) -> list[int]:
        """Give the numbers of the segments on disk, in order."""
        return sorted(int(path.stem) for path in self.folder.glob(f"*{_SUFFIX}"))

    def close(self) -> None:
        """Give the folder free; what is not shipped stays for the next process."""
        os.close(self._file)
        os.close(self._owner)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _count(self) -> int:
        """Count what an earlier process left."""
        count, position = 0, self.position()
        while True:
            records, after = self.read(position, _COUNTED)
            if after == position:
                return count
            count, position = count + len(records), after

    def _behind(self, position: Position) -> int:
        """Count the bytes from a position on."""
        sizes = (self._path(s).stat().st_size for s in self.segments() if s >= position.segment)
        return sum(sizes) - position.offset

    def _bytes(self, position: Position, length: int) -> bytes:
        path = self._path(position.segment)
        if not path.exists():
            return b""
        with path.open("rb") as file:
            file.seek(position.offset)
            return file.read(length)

    def _path(self, segment: int) -> Path:
        return self.folder / f"{segment:020d}{_SUFFIX}"

    def _roll(self) -> None:
        full = self._file
        try:
            self._open(self.current + 1)
        except OSError as error:
            raise SpoolError(
                f"an answer leaves only when its record is spooled; no segment can be begun: {error}"
            ) from error
        os.close(full)

    def _open(self, segment: int) -> None:
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
        self._file = os.open(self._path(segment), flags, 0o600)
        self._size = 0
        self._torn = False
        self.current = segment


def _frame(record: Outgoing) -> bytes:
    topic, trace = record.topic.encode(), record.trace.encode()
    lengths = _PARTS.pack(len(topic), len(record.key), len(trace))
    body = b"".join((lengths, topic, record.key, trace, record.value))
    return _FRAME.pack(len(body), zlib.crc32(body)) + body


def _unframe(data: bytes, limit: int) -> tuple[list[Outgoing], int]:
    records: list[Outgoing] = []
    read = 0
    while len(records) < limit and read + _FRAME.size <= len(data):
        length, checksum = _FRAME.unpack_from(data, read)
        start, end = read + _FRAME.size, read + _FRAME.size + length
        body = data[start:end]
        if len(body) < length or zlib.crc32(body) != checksum:
            break  # not whole: still being written, or torn by a kill
        topic, key, trace = _PARTS.unpack_from(body)
        after_topic = _PARTS.size + topic
        after_key = after_topic + key
        after_trace = after_key + trace
        records.append(
            Outgoing(
                body[_PARTS.size : after_topic].decode(),
                body[after_topic:after_key],
                body[after_trace:],
                body[after_key:after_trace].decode(),
            )
        )
        read = end
    return records, read
