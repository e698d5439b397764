"""The boundaries of a window, each a decay row: what leaves the totals there, and the extremes that stay."""

from collections.abc import Sequence

from features.plan import GroupPlan
from warehouse.dialect import typed
from warehouse.extremes import NEVER, inside, rank, stays
from warehouse.parts import Held, amount, leaves, tile, zero

_AGES = 2**60  # older than every event


def departures(
    plan: GroupPlan, events: str, window: int, until: int, integer: str, parts: Sequence[Held]
) -> str:
    """Select the boundaries of a window before `until` (ms), with a column for each amount and extreme.

    A tile's events are prompt where they arrived within the tile. At a boundary at L, a prompt tile is
    complete and inside exactly if it leaves in (L, L + size]; one that was late, if it had arrived by then.
    The same goes for the beginning of a tile. Where there are extremes, one is selected for each tile in
    which an event arrives; it is no row of its own, and stands before the boundaries of its moment.
    """
    size, hop = plan.windows[window].size, plan.windows[window].hop
    totals, extremes = amounts(parts), ranked(parts)
    left = {h.amount for h in parts if h.total and h.window == window}
    mine = {inside(h): h for h in parts if h.extreme and h.window == window}
    taken = [f"-sum({amount(plan, h, integer)}) AS {name}" for name, h in totals.items() if name in left]
    cell = f"SELECT _entity, {leaves(plan, window)} AS _leave"
    kept = f"FROM {events} WHERE _leave > _t"
    if not mine:
        cells = f"{', '.join([cell, *taken])} {kept} AND _leave < {until} GROUP BY _entity, _leave"
        frame, order, newest = "", "0", f"_leave - {size + hop}"  # no event of the tile is older
    else:
        arrived = f"{tile('_t', hop)} + {hop} AS _arrived"
        ranks = [f"max({rank(plan, h)}) AS {name}" for name, h in mine.items()]
        ranks.append(f"_leave < _arrived + {size} AS _late, 0 AS _begins")
        # tiles that leave after `until` are still inside at a boundary before it
        cells = f"{', '.join([cell, arrived, *taken, *ranks])} {kept} GROUP BY _entity, _leave, _arrived"
        nothing = [zero(h, integer) for name, h in totals.items() if name in left] + ["0" for _ in mine]
        began = ", ".join([f"SELECT DISTINCT _entity, {tile('_t', hop)}, 0", *nothing, "0, 1"])
        cells += f" UNION ALL {began} FROM {events}"
        frame = (
            f" WINDOW f AS (PARTITION BY _entity ORDER BY intDiv(_leave, {hop}) "
            f"RANGE BETWEEN 1 FOLLOWING AND {size // hop} FOLLOWING)"
        )
        order = f"if(_begins, -{window + 1}, 0)"
        newest = f"_leave - if(_begins, {_AGES}, {size + hop})"
    selected = [
        f"_entity, _leave AS _t, toInt64({order}) AS _order, {window}",
        f"'', -1, -1, {newest}",
        *(typed("NULL", a.type) for a in plan.arguments),
        *(name if name in left else zero(h, integer) for name, h in totals.items()),
        *(stays(mine[name]) if name in mine else NEVER for name in extremes),
    ]
    found = f"SELECT {', '.join(selected)} FROM ({cells}){frame}"
    return f"SELECT * FROM ({found}) WHERE _t < {until}" if mine else found


def amounts(parts: Sequence[Held]) -> dict[str, Held]:
    """Name the columns of what moments add to totals, each with a part that it is for."""
    return {h.amount: h for h in reversed(parts) if h.total}


def ranked(parts: Sequence[Held]) -> list[str]:
    """Name the columns of what is inside windows at boundaries."""
    return list(dict.fromkeys(inside(h) for h in parts if h.extreme))
