"""Files of batches: Parquet or Arrow, one row a request."""

import posixpath
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import fsspec
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import dataset
from pyarrow.fs import FSSpecHandler, PyFileSystem

_ARROW = (".arrow", ".feather", ".ipc")


class BatchError(ValueError):
    """A batch cannot be scored, however often it is tried."""


class Rows(NamedTuple):
    """The rows of a batch, in order: `total` of them, in slices; each has `entity_keys` and `inputs`."""

    total: int
    slices: Iterator[list[dict[str, Any]]]


class BatchFiles:
    """The files under `root_url`: a local folder, or any URL that fsspec opens. Others are never read."""

    def __init__(self, root_url: str) -> None:
        self._files, root = fsspec.core.url_to_fs(root_url)
        self._root = posixpath.normpath(root)

    def put(self, file: Path, batch_id: str) -> str:
        """Copy a local file to where workers read it, and give its URI."""
        self._files.makedirs(self._root, exist_ok=True)
        path = f"{self._root}/{batch_id}{file.suffix}"
        with file.open("rb") as source, self._files.open(path, "wb") as copy:
            shutil.copyfileobj(source, copy)
        return str(self._files.unstrip_protocol(path))

    def columns(self, uri: str) -> list[str]:
        """Name a file's columns. Raises as `rows` does."""
        return list(self._open(uri).schema.names)

    def rows(self, uri: str, entities: Sequence[str], start: int, size: int) -> Rows:
        """Read a file from row `start` on, `size` rows at most in a slice; `entities` names columns of keys.

        Raises `BatchError` for what is no such file, and what fsspec raises in an outage, mostly `OSError`.
        """
        opened = self._open(uri)
        if missing := [name for name in entities if name not in opened.schema.names]:
            raise BatchError(
                f"a batch's file has a column for each entity; {uri} has no {', '.join(missing)} (it has "
                f"{', '.join(opened.schema.names)}), so no row could be answered"
            )
        return Rows(opened.count_rows(), _slices(opened, entities, start, size))

    def _open(self, uri: str) -> dataset.Dataset:
        try:
            files, path = fsspec.core.url_to_fs(uri)
        except (ValueError, ImportError) as error:
            raise BatchError(f"a batch names a file by a URL that fsspec opens; {uri!r}: {error}") from error
        path = posixpath.normpath(path)
        if type(files) is not type(self._files) or not path.startswith(f"{self._root}/"):
            raise BatchError(
                f"workers read batches below {self._root} only, or whoever asks for a batch could read any "
                f"file of theirs; {uri!r} is not"
            )
        kind = "ipc" if path.endswith(_ARROW) else "parquet"
        try:
            return dataset.dataset(path, format=kind, filesystem=PyFileSystem(FSSpecHandler(files)))
        except (FileNotFoundError, PermissionError, pa.ArrowInvalid) as error:
            raise BatchError(f"a batch's file is Parquet or Arrow; {uri} cannot be read: {error}") from error


def _slices(
    opened: dataset.Dataset, entities: Sequence[str], start: int, size: int
) -> Iterator[list[dict[str, Any]]]:
    skip = start
    try:
        for read in opened.to_batches(batch_size=size):
            batch = read.slice(min(skip, len(read)))
            skip -= len(read) - len(batch)
            if len(batch):
                yield _requests(batch, set(entities))
    except pa.ArrowException as error:
        raise BatchError(
            f"a batch's file has keys of text or whole numbers; it cannot be read: {error}"
        ) from error


def _requests(batch: pa.RecordBatch, entities: set[str]) -> list[dict[str, Any]]:
    keys, inputs = {}, {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if name in entities:
            keys[name] = pc.cast(column, pa.string()).to_pylist()
        else:
            inputs[name] = _plain(column).to_pylist()
    return [
        {
            "entity_keys": {name: values[n] for name, values in keys.items() if values[n] is not None},
            "inputs": {name: values[n] for name, values in inputs.items()},
        }
        for n in range(len(batch))
    ]


def _plain(column: pa.Array) -> pa.Array:
    """Give times as ms since the epoch, as requests have them."""
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        return pc.cast(pc.cast(column, pa.timestamp("ms"), safe=False), pa.int64())
    return column
