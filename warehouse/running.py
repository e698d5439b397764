"""What runs over an entity's moments, one value a row; over all of them at once, or stretch by stretch.

The engine holds what it runs over in memory. So the moments of an entity with very many are cut into
stretches: what runs begins anew in each, and takes up what the stretches before have come to.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from features.plan import GroupPlan
from warehouse.extremes import packed_moment
from warehouse.parts import Held, Kept, amount_moved, counts, packed

PEERS = "RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"  # all that stands at the same moment


@dataclass(frozen=True)
class Running:
    """One value that runs: its SQL over moments, over earlier stretches `p`, and of both, `b` and `x`."""

    name: str
    of: str
    before: str
    both: str
    over: str = ""

    @property
    def selected(self) -> str:
        """The SQL of its value in each row, over a window `w`."""
        return f"{self.over or f'{self.of} OVER w'} AS {self.name}"


def running(plan: GroupPlan, parts: Sequence[Held], integer: str) -> list[Running]:
    """List what runs for these parts, with `seq` and the newest `ts`; counts and sums as `integer`."""
    found = [
        # beginnings of tiles are no rows, and windows that share a boundary share its row
        _sum(
            "seq",
            "uniqExactIf((_t, _order), _order >= 0)",
            "dense_rank() OVER w - countIf(_order < 0) OVER w",
        ),
        _greatest("_last_ts", "max(_ts)"),
    ]
    for part in parts:
        name, value = part.name, part.value
        if part.total:
            found.append(_sum(name, f"sum({amount_moved(plan, part, integer)})"))
        elif part.extreme:
            found.append(_greatest(name, f"max({packed_moment(plan, part)})"))
        elif part.kept is Kept.LAST:
            admitted = counts(plan, part)
            of = f"argMaxIf(({value}, _ts), {packed('_ts', 'toUInt64(_order)')}, {admitted})"
            before = f"argMaxIf(p.{name}, (p.{name}.2, p._stretch), p.{name}_any)"
            later = f"x.{name}_any AND (NOT b.{name}_any OR x.{name}.2 >= b.{name}.2)"
            found.append(Running(name, of, before, f"if({later}, x.{name}, b.{name})"))
            found.append(_greatest(f"{name}_any", f"max({admitted})"))
        elif part.running and part.kept is Kept.FIRST:
            of = f"argMinIf(({value}, _ts), (_ts, _order), isNotNull({value}))"
            before = f"argMinIf(p.{name}, (p.{name}.2, p._stretch), isNotNull(p.{name}.1))"
            earlier = f"isNull(b.{name}.1) OR isNotNull(x.{name}.1) AND x.{name}.2 < b.{name}.2"
            found.append(Running(name, of, before, f"if({earlier}, x.{name}, b.{name})"))
        elif part.running:
            most, better = ("min", "least") if part.kept is Kept.MIN else ("max", "greatest")
            both = f"coalesce({better}(b.{name}, x.{name}), b.{name}, x.{name})"
            found.append(Running(name, f"{most}({value})", f"{most}(p.{name})", both))
    return found


def run(running: Sequence[Running], others: Sequence[str], moments: str, *, cut: bool) -> str:
    """Select others and what runs, for each moment; `cut` where there are entities of several stretches."""
    selected = ", ".join([*others, *(r.selected for r in running)])
    window = f"w AS (PARTITION BY _entity, _stretch ORDER BY _t, _order {PEERS})"
    own = f"SELECT _stretch, {selected} FROM {moments} WINDOW {window}"
    if not cut:
        return own
    each = ", ".join(f"{r.of} AS {r.name}" for r in running)
    before = ", ".join(f"{r.before} OVER s AS {r.name}" for r in running)
    ended = (
        f"SELECT p._entity AS _entity, p._stretch AS _stretch, {before} "
        f"FROM (SELECT _entity, _stretch, {each} FROM {moments} GROUP BY _entity, _stretch "
        "SETTINGS optimize_aggregation_in_order = 1) AS p "
        "WINDOW s AS (PARTITION BY p._entity ORDER BY p._stretch "
        "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"
    )
    names = ", ".join(r.name for r in running)
    taken = ", ".join(f"if(_stretch = 0, x.{r.name}, {r.both}) AS {r.name}" for r in running)
    return (
        f"SELECT x.* EXCEPT ({names}), {taken} "
        f"FROM ({own}) AS x INNER JOIN ({ended}) AS b USING (_entity, _stretch)"
    )


def _sum(name: str, of: str, over: str = "") -> Running:
    return Running(name, of, f"sum(p.{name})", f"b.{name} + x.{name}", over)


def _greatest(name: str, of: str) -> Running:
    return Running(name, of, f"max(p.{name})", f"greatest(b.{name}, x.{name})")
