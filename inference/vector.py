"""A model's vector out of the online store's rows, by positions compiled once."""

from collections.abc import Mapping, Sequence

import numpy as np

from features.expressions.python import evaluator
from features.layout import MISSING_SEQ, Layout, clock_key, row_key, unpack_clock
from features.table import RowTable
from features.types import Value
from features.vector import REQUESTED_AT, ModelPlan
from inference.records import VectorRow
from inference.runtime import Matrix

FRESH, STALE, MISSING = "fresh", "stale", "missing"


class VectorReader:
    """Reads the vectors of one model version; a feature that is NULL or missing is NaN.

    `names` are the vector's, in order; `refusing` the groups that are not served stale, with their places.
    """

    def __init__(self, plan: ModelPlan) -> None:
        self.names = plan.names
        self.refusing = [(i, g) for i, g in enumerate(plan.groups) if g.on_stale == "refuse"]
        self._groups = plan.groups
        layouts = [Layout.of(group) for group in plan.groups]
        self._table = RowTable([(lay, g.positions) for lay, g in zip(layouts, plan.groups, strict=True)])
        self._prefixes = [(g.entity, row_key(g.group, g.version, "")) for g in plan.groups]
        self._clocks = [clock_key(g.group, g.version) for g in plan.groups]
        self._on_demand = [evaluator(named.expression) for named in plan.on_demand]
        # what on-demand features read of the rows: the rows' times, and features by their exact values
        self._times = [
            (i, g.timestamp) for i, g in enumerate(plan.groups) if g.timestamp in plan.named_on_demand
        ]
        self._stored = [
            (i, layouts[i], positions, [g.name(position) for position in positions])
            for i, g in enumerate(plan.groups)
            if (positions := plan.read_on_demand(g))
        ]

    def keys(self, entities: Sequence[Mapping[str, str]]) -> list[str]:
        """Name the keys that n requests need: the rows of the first, then of the next; the groups' clocks."""
        rows = [prefix + names[entity] for names in entities for entity, prefix in self._prefixes]
        return rows + self._clocks

    def read(
        self, entities: Sequence[Mapping[str, str]], at: Sequence[int], values: Sequence[bytes | None]
    ) -> tuple[Matrix, list[list[VectorRow]], list[dict[str, Value]]]:
        """Give the stored part of the vectors (n, features), and each vector's rows, group by group.

        Last come, for each vector, the stored features and times of rows that its on-demand features read,
        by name. `at` is each request's time in ms since the epoch, `values` what the store has under `keys`.
        Raises `LayoutMismatchError` for a row that another schema wrote.
        """
        groups, n = len(self._groups), len(entities)
        if not groups:
            return np.empty((n, 0)), [[] for _ in entities], [{} for _ in entities]
        buffers = values[: n * groups]
        matrix, heads = self._table.read(buffers)
        clocks = [None if ticked is None else unpack_clock(ticked) for ticked in values[n * groups :]]
        judged: dict[int, list[tuple[str, int | None]]] = {}
        rows: list[list[VectorRow]] = []
        for names, when, head in zip(entities, at, heads.tolist(), strict=True):
            states = judged.get(when)
            if states is None:
                states = judged[when] = self._states(when, clocks)
            rows.append(
                [
                    {
                        "group": group.group,
                        "version": group.version,
                        "entity": names[group.entity],
                        "event_timestamp": timestamp,
                        "seq": seq,
                        "state": MISSING if seq == MISSING_SEQ else state,
                        "age_ms": age,
                    }
                    for group, timestamp, seq, (state, age) in zip(
                        self._groups, head[::2], head[1::2], states, strict=True
                    )
                ]
            )
        return matrix, rows, self._read_on_demand(rows, buffers)

    def on_demand(
        self, inputs: Mapping[str, Value], stored: Mapping[str, Value], requested_at: int
    ) -> list[float]:
        """Compute the on-demand part of a vector, k numbers; booleans are 0 and 1, NULL is NaN.

        `stored` is what `read` gave for the vector, `requested_at` the request's time in ms.
        """
        if not self._on_demand:
            return []
        known = {**inputs, **stored, REQUESTED_AT: requested_at}
        values = (evaluate(known) for evaluate in self._on_demand)
        # no text: compiling a model refuses it
        return [np.nan if value is None else float(value) for value in values]

    def _states(self, at: int, clocks: Sequence[int | None]) -> list[tuple[str, int | None]]:
        """Judge each group at a time: its state where the row is there, and how far its clock lies behind."""
        judged: list[tuple[str, int | None]] = []
        for group, upto in zip(self._groups, clocks, strict=True):
            age = None if upto is None else max(0, at - upto)
            judged.append((FRESH if age is not None and age <= group.expected_max_lag_ms else STALE, age))
        return judged

    def _read_on_demand(
        self, rows: Sequence[Sequence[VectorRow]], buffers: Sequence[bytes | None]
    ) -> list[dict[str, Value]]:
        stored: list[dict[str, Value]] = [{} for _ in rows]
        for at, name in self._times:
            for known, own in zip(stored, rows, strict=True):
                there = own[at]["seq"] != MISSING_SEQ
                known[name] = own[at]["event_timestamp"] if there else None
        for at, layout, positions, names in self._stored:
            for known, buffer in zip(stored, buffers[at :: len(self._groups)], strict=True):
                found = [None] * len(names) if buffer is None else layout.values(buffer, positions)
                known.update(zip(names, found, strict=True))
        return stored
