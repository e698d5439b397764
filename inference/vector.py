"""A model's vector out of the online store's rows, by positions compiled once."""

from collections.abc import Mapping, Sequence
from itertools import accumulate

import numpy as np

from features.expressions.python import evaluator
from features.layout import MISSING_SEQ, Layout, clock_key, row_key, unpack_clock
from features.table import RowTable
from features.types import Value
from features.vector import REQUESTED_AT, ModelPlan, VectorGroup
from inference.records import VectorRow
from inference.runtime import Matrix

FRESH, STALE, MISSING = "fresh", "stale", "missing"

_Judged = tuple[VectorGroup, str, int | None, bool, bool]
"""A group at a time: its rows' state, its clock's lag (ms), whether defaults stand for a row, for none."""


class VectorReader:
    """Reads the vectors of one model version; a feature that is NULL or missing is NaN.

    Where a group has defaults they stand in the place of missing rows, and of stale ones if its `on_stale`
    says so; those of frozen features stand always. `names` are the vector's, in order, and `frozen` those
    that are; `refusing` the groups that are not served stale, with their places.
    """

    def __init__(self, plan: ModelPlan) -> None:
        self.names = plan.names
        self.refusing = [(i, g) for i, g in enumerate(plan.groups) if g.on_stale == "refuse"]
        self._groups = [(g, bool(g.defaults), g.passes_over_stale) for g in plan.groups]
        layouts = [Layout.of(group) for group in plan.groups]
        self._table = RowTable([(lay, g.positions) for lay, g in zip(layouts, plan.groups, strict=True)])
        self._prefixes = [(g.entity, row_key(g.group, g.version, "")) for g in plan.groups]
        self._clocks = [clock_key(g.group, g.version) for g in plan.groups]
        self._on_demand = [evaluator(named.expression) for named in plan.on_demand]
        ends = [*accumulate(len(g.positions) for g in plan.groups)]
        self._defaults = [
            (i, slice(end - len(g.positions), end), _numbers([g.default(p) for p in g.positions]))
            for i, (g, end) in enumerate(zip(plan.groups, ends, strict=True))
            if g.defaults
        ]
        stored = [(g, p) for g in plan.groups for p in g.positions]
        frozen = [i for i, (g, p) in enumerate(stored) if p in g.frozen]
        self.frozen = plan.frozen
        self._frozen_at = np.array(frozen, np.intp)
        self._frozen_values = _numbers([g.default(p) for g, p in (stored[i] for i in frozen)])
        self._frozen_read = {
            g.name(p): g.default(p) for g in plan.groups for p in plan.read_on_demand(g) if p in g.frozen
        }
        # what on-demand features read of the rows: the rows' times, and features by their exact values
        self._times = [
            (i, g.timestamp) for i, g in enumerate(plan.groups) if g.timestamp in plan.named_on_demand
        ]
        self._stored = [
            (i, layouts[i], positions, [g.name(p) for p in positions], [g.default(p) for p in positions])
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
        by name: defaults where the vector has them, and of frozen ones. `at` is each request's time in ms
        since the epoch, `values` what the store has under `keys`. Raises `LayoutMismatchError` for a row that
        another schema wrote.
        """
        groups, n = len(self._groups), len(entities)
        if not groups:
            return np.empty((n, 0)), [[] for _ in entities], [{} for _ in entities]
        buffers = values[: n * groups]
        matrix, heads = self._table.read(buffers)
        clocks = [None if ticked is None else unpack_clock(ticked) for ticked in values[n * groups :]]
        judged: dict[int, list[_Judged]] = {}
        rows: list[list[VectorRow]] = []
        for names, when, head in zip(entities, at, heads.tolist(), strict=True):
            states = judged.get(when)
            if states is None:
                states = judged[when] = self._states(when, clocks)
            rows.append(
                [
                    VectorRow(
                        group.group,
                        group.version,
                        names[group.entity],
                        timestamp,
                        seq,
                        MISSING if seq == MISSING_SEQ else state,
                        age,
                        filled if seq == MISSING_SEQ else passed_over,
                    )
                    for timestamp, seq, (group, state, age, passed_over, filled) in zip(
                        head[::2], head[1::2], states, strict=True
                    )
                ]
            )
        for i, columns, defaults in self._defaults:
            defaulted = [own[i].defaulted for own in rows]
            if True in defaulted:
                matrix[defaulted, columns] = defaults
        if self._frozen_at.size:
            matrix[:, self._frozen_at] = self._frozen_values
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

    def _states(self, at: int, clocks: Sequence[int | None]) -> list[_Judged]:
        """Judge each group at a time."""
        judged: list[_Judged] = []
        for (group, filled, passes_over), upto in zip(self._groups, clocks, strict=True):
            age = None if upto is None else max(0, at - upto)
            if age is not None and age <= group.expected_max_lag_ms:
                judged.append((group, FRESH, age, False, filled))
            else:
                judged.append((group, STALE, age, passes_over, filled))
        return judged

    def _read_on_demand(
        self, rows: Sequence[Sequence[VectorRow]], buffers: Sequence[bytes | None]
    ) -> list[dict[str, Value]]:
        stored: list[dict[str, Value]] = [{} for _ in rows]
        for at, name in self._times:
            for known, own in zip(stored, rows, strict=True):
                there = own[at].seq != MISSING_SEQ and not own[at].defaulted
                known[name] = own[at].event_timestamp if there else None
        for at, layout, positions, names, defaults in self._stored:
            for known, own, buffer in zip(stored, rows, buffers[at :: len(self._groups)], strict=True):
                if buffer is None or own[at].defaulted:
                    known.update(zip(names, defaults, strict=True))
                else:
                    known.update(zip(names, layout.values(buffer, positions), strict=True))
        if self._frozen_read:
            for known in stored:
                known.update(self._frozen_read)
        return stored


def _numbers(values: Sequence[Value]) -> Matrix:
    """Give values as a vector holds them (n,)."""
    return np.array([np.nan if v is None else float(v) for v in values], np.float64)
