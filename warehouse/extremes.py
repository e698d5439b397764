"""The smallest and greatest values of windows: the greater of what was inside and what came since.

Between two boundaries of a window nothing leaves it. What is inside after a boundary, and as a tile begins
in which an event arrives, is read from tiles, not from events, so it is cheap however many events an entity
has (`warehouse.boundaries`). Packed with that moment, it outdoes all that was before; an event's value is
packed with the beginning of the tile in which it arrives. So a window's extreme is one running maximum.
"""

from features.plan import GroupPlan
from features.types import DataType
from warehouse.parts import Held, Kept, leaves, packed, tile

_TOP = f"toUInt64({2**63})"
NEVER = f"toInt128('{-(2**60) * 2**64}')"
"""Packed: before all moments, no value."""


def rank(plan: GroupPlan, part: Held) -> str:
    """Map a value to an unsigned integer that is greatest for the value sought, and 0 for NULL.

    The bits of a double, read as an integer, grow with it where it is positive and fall where it is negative.
    """
    bits = f"reinterpretAsUInt64(assumeNotNull({part.value}))"
    ranked = f"bitXor({bits}, {_TOP})"
    if _double(plan, part):
        ranked = f"if({bits} < {_TOP}, {ranked}, bitNot({bits}))"
    return f"if(isNull({part.value}), 0, {ranked if part.kept is Kept.MAX else f'bitNot({ranked})'})"


def unranked(plan: GroupPlan, part: Held) -> str:
    """Give the value that a row's part stands for; NULL where there is none."""
    found = f"toUInt64({part.name})"  # the lower half
    ordered = found if part.kept is Kept.MAX else f"bitNot({found})"
    bits = f"bitXor({ordered}, {_TOP})"
    if _double(plan, part):
        value = f"reinterpretAsFloat64(if({ordered} < {_TOP}, bitNot({ordered}), {bits}))"
    else:
        value = f"reinterpretAsInt64({bits})"
    return f"if({found} = 0, NULL, {value})"


def packed_moment(plan: GroupPlan, part: Held) -> str:
    """Give the SQL of what a moment packs; of the greatest so far, a row's part is the lower half."""
    assert part.window is not None
    arrived = packed(tile("_t", plan.windows[part.window].hop), rank(plan, part))
    held = f"if(_window = {part.window}, {inside(part)}, {NEVER})"
    return f"if(_order > 0, if({leaves(plan, part.window)} > _t, {arrived}, {NEVER}), {held})"


def inside(part: Held) -> str:
    """Name the column of what is inside a window after a boundary or as a tile begins, packed."""
    return f"_m_{part.kept.value}{part.argument}"


def stays(part: Held) -> str:
    """Give what is inside at a moment, packed, over a frame `f` of the tiles inside; NULL values rank 0."""
    prompt = f"max(if(_late, 0, {inside(part)})) OVER f"
    late = (
        f"arrayMax((a, m) -> if(a <= _leave, m, 0), "
        f"groupArrayIf(_arrived, _late) OVER f, groupArrayIf({inside(part)}, _late) OVER f)"
    )
    return packed("_leave", f"greatest({prompt}, {late})")


def _double(plan: GroupPlan, part: Held) -> bool:
    assert part.argument is not None
    return plan.arguments[part.argument].type is DataType.DOUBLE
