"""A model's vector out of the online store's rows, by positions compiled once."""

from collections.abc import Mapping, Sequence

import numpy as np

from features.expressions.python import evaluator
from features.layout import Layout, clock_key, row_key, unpack_clock
from features.types import Value
from features.vector import REQUESTED_AT, ModelPlan, VectorGroup
from inference.records import VectorRow
from inference.runtime import Matrix

FRESH, STALE, MISSING = "fresh", "stale", "missing"


class VectorReader:
    """Reads the vectors of one model version; a feature that is NULL or missing is NaN."""

    def __init__(self, plan: ModelPlan) -> None:
        self._groups = [(g, Layout.of(g), clock_key(g.group, g.version)) for g in plan.groups]
        self._on_demand = [evaluator(named.expression) for named in plan.on_demand]
        self._read = {g.group: plan.read_on_demand(g) for g in plan.groups}
        self._timed = {g.group for g in plan.groups if g.timestamp in plan.named_on_demand}
        self._width = sum(len(group.positions) for group in plan.groups)

    def keys(self, entities: Mapping[str, str]) -> list[str]:
        """Name all keys that a request needs: its rows', and its groups' clocks'."""
        rows = [row_key(g.group, g.version, entities[g.entity]) for g, _, _ in self._groups]
        return rows + [clock for _, _, clock in self._groups]

    def read(
        self,
        entities: Sequence[Mapping[str, str]],
        at: Sequence[int],
        values: Mapping[str, bytes | None],
    ) -> tuple[Matrix, list[list[VectorRow]], list[dict[str, Value]]]:
        """Give the stored part of the vectors (n, features), and each vector's rows, group by group.

        Last come, for each vector, the stored features and times of rows that its on-demand features read,
        by name. `at` is each request's time in ms since the epoch, `values` what the store has under `keys`.
        Raises `LayoutMismatchError` for a row that another schema wrote.
        """
        matrix = np.empty((len(entities), self._width))
        rows: list[list[VectorRow]] = [[] for _ in entities]
        stored: list[dict[str, Value]] = [{} for _ in entities]
        column = 0
        for group, layout, clock in self._groups:
            keys = [row_key(group.group, group.version, names[group.entity]) for names in entities]
            buffers = [values[key] for key in keys]
            matrix[:, column : column + len(group.positions)] = layout.numbers(buffers, group.positions)
            column += len(group.positions)
            ticked = values[clock]
            upto = None if ticked is None else unpack_clock(ticked)
            timestamps, sequences = layout.heads(buffers)
            timed = group.group in self._timed
            heads = zip(buffers, timestamps.tolist(), sequences.tolist(), strict=True)
            for place, (buffer, timestamp, seq) in enumerate(heads):
                age = None if upto is None else max(0, at[place] - upto)
                rows[place].append(
                    {
                        "group": group.group,
                        "version": group.version,
                        "entity": entities[place][group.entity],
                        "event_timestamp": 0 if buffer is None else timestamp,
                        "seq": -1 if buffer is None else seq,
                        "state": _state(group, buffer, age),
                        "age_ms": age,
                    }
                )
                if timed:
                    stored[place][group.timestamp] = None if buffer is None else timestamp
            read = self._read[group.group]
            if read:
                names_read = [group.name(position) for position in read]
                for known, buffer in zip(stored, buffers, strict=True):
                    found = [None] * len(read) if buffer is None else layout.values(buffer, read)
                    known.update(zip(names_read, found, strict=True))
        return matrix, rows, stored

    def on_demand(
        self, inputs: Mapping[str, Value], stored: Mapping[str, Value], requested_at: int
    ) -> Matrix:
        """Compute the on-demand part of a vector (k,); booleans are 0 and 1.

        `stored` is what `read` gave for the vector, `requested_at` the request's time in ms.
        """
        known = {**inputs, **stored, REQUESTED_AT: requested_at}
        values = (evaluate(known) for evaluate in self._on_demand)
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _state(group: VectorGroup, buffer: bytes | None, age: int | None) -> str:
    if buffer is None:
        return MISSING
    return FRESH if age is not None and age <= group.expected_max_lag_ms else STALE
