"""The boundaries of a window, each a decay row: what leaves the totals there, and the extremes that stay."""

from collections.abc import Sequence

from features.plan import GroupPlan
from warehouse.dialect import typed
from warehouse.extremes import NEVER, rank, stays
from warehouse.parts import Held, amount, leaves, tile, zero


def departures(
    plan: GroupPlan, gathered: str, window: int, until: int, integer: str, parts: Sequence[Held]
) -> str:
    """Select the boundaries of a window before `until` (ms), with a column for each total and extreme.

    A tile's events are prompt where they arrived within the tile. At a boundary at L, a prompt tile is
    complete and inside exactly if it leaves in (L, L + size]; one that was late, if it had arrived by then.
    """
    size, hop = plan.windows[window].size, plan.windows[window].hop
    totals = [h for h in parts if h.total]
    extremes = [h for h in parts if h.extreme]
    mine = [h for h in extremes if h.window == window]
    left = [h for h in totals if h.window == window]
    taken = [f"-sum({amount(plan, h, integer)}) AS _d{h.name}" for h in left]
    cell = ["entity", f"{leaves(plan, window)} AS _leave"]
    keys, keep = "entity, _leave", f"_leave > _t AND _leave < {until}"
    frame = ""
    if mine:
        # tiles that leave after `until` are still inside at a boundary before it
        keys, keep = "entity, _leave, _arrived", "_leave > _t"
        cell.append(f"{tile('_t', hop)} + {hop} AS _arrived")
        taken += [f"max({rank(plan, h)}) AS _m{h.name}" for h in mine]
        taken.append(f"_leave < _arrived + {size} AS _late")
        frame = (
            f" WINDOW f AS (PARTITION BY entity ORDER BY intDiv(_leave, {hop}) "
            f"RANGE BETWEEN 1 FOLLOWING AND {size // hop} FOLLOWING)"
        )
    selected = [
        f"entity, _leave AS _t, 0, '', -1, -1, _leave - {size + hop}",  # no event of the tile is older
        *(typed("NULL", a.type) for a in plan.arguments),
        *(f"_d{h.name}" if h in left else zero(h, integer) for h in totals),
        *(stays(h) if h in mine else NEVER for h in extremes),
    ]
    cells = f"SELECT {', '.join([*cell, *taken])} FROM {gathered} WHERE {keep} GROUP BY {keys}"
    found = f"SELECT {', '.join(selected)} FROM ({cells}){frame}"
    return f"SELECT * FROM ({found}) WHERE _t < {until}" if mine else found
