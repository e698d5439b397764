"""The rows of several groups side by side, read by one NumPy view at positions compiled once."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from features.layout import HEAD_WORDS, Layout, LayoutMismatchError
from features.types import DataType


class RowTable:
    """Reads the features at some positions of some groups' rows.

    `parts` has, for each of G groups, its layout and the positions. Raises `ValueError` for a text feature.
    """

    def __init__(self, parts: Sequence[tuple[Layout, Sequence[int]]]) -> None:
        self._layouts = [layout for layout, _ in parts]
        self._texts = [any(f.type is DataType.TEXT for f in layout.features) for layout in self._layouts]
        self._words = sum(layout.size for layout in self._layouts) // 8
        values: list[int] = []
        integers: list[int] = []
        bitmaps: list[tuple[int, int]] = []
        starts: list[int] = []
        start = 0
        for layout, positions in parts:
            bits_at = start + HEAD_WORDS
            values_at = bits_at + layout.bitmap_words
            for position in positions:
                feature = layout.features[position]
                if feature.type is DataType.TEXT:
                    raise ValueError(
                        f"a vector holds numbers, and {feature.name} is text: it cannot be read as one"
                    )
                if feature.type is not DataType.DOUBLE:
                    integers.append(len(values))
                values.append(values_at + position)
                bitmaps.append((bits_at + position // 64, position % 64))
            starts.append(start)
            start += layout.size // 8
        self._ids_at = np.array(starts, np.intp)
        self._ids = np.array([layout.schema_id for layout in self._layouts], np.uint64)
        self._heads_at = np.array([start + word for start in starts for word in (1, 2)], np.intp)
        self._values_at = np.array(values, np.intp)
        self._integers = np.array(integers, np.intp)
        self._null_words = np.array([word for word, _ in bitmaps], np.intp)
        self._null_bits = np.array([bit for _, bit in bitmaps], np.uint64)

    def read(self, rows: Sequence[bytes | None]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Read n vectors out of n * G rows: the groups' rows of the first vector, then of the next.

        Gives the features (n, width), NaN where NULL or the row is None, integers beyond 2**53 rounded,
        booleans as 0 and 1; and the heads (n, 2 * G): each row's `event_timestamp` (ms) and `seq`, which are
        0 and -1 where it is None. Raises `LayoutMismatchError` for a row of another layout.
        """
        table = self._table(list(rows))
        raw = table.take(self._values_at, axis=1)
        numbers = raw.view(np.float64)
        if self._integers.size:
            numbers[:, self._integers] = raw.view(np.int64)[:, self._integers]
        nulls = table.take(self._null_words, axis=1)
        if nulls.any():
            numbers[(nulls >> self._null_bits & np.uint64(1)).astype(bool)] = np.nan
        return numbers, table.take(self._heads_at, axis=1).view(np.int64)

    def _table(self, rows: list[bytes | None]) -> NDArray[np.uint64]:
        groups = len(self._layouts)
        for at, (layout, texts) in enumerate(zip(self._layouts, self._texts, strict=True)):
            own = rows[at::groups]
            if None in own:
                rows[at::groups] = own = [layout.missing if row is None else row for row in own]
            if texts:
                rows[at::groups] = [row[: layout.size] for row in own if row is not None]
        joined = b"".join(rows)  # type: ignore[arg-type]  # none is None any more
        if len(joined) * groups != 8 * self._words * len(rows):
            self._refuse_sizes(rows)
        table = np.frombuffer(joined, np.uint64).reshape(-1, self._words)
        found = table.take(self._ids_at, axis=1)
        if (found != self._ids).any():
            for layout, ids in zip(self._layouts, found.T.tolist(), strict=True):
                for schema_id in ids:
                    layout.check(schema_id)
        return table

    def _refuse_sizes(self, rows: Sequence[bytes | None]) -> None:
        for place, row in enumerate(rows):
            layout = self._layouts[place % len(self._layouts)]
            if row is not None and len(row) != layout.size:
                layout.check(int.from_bytes(row[:8], "little"))
                raise LayoutMismatchError(
                    f"a row of this layout has at least {layout.size} bytes, and one has {len(row)}: it "
                    "cannot be read"
                )
