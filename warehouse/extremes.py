"""The smallest and greatest values of windows: the greater of what a boundary left and what came since.

Between two boundaries of a window nothing leaves it. What a boundary leaves is read from tiles, not from
events, so it is cheap however many events an entity has (`warehouse.boundaries`).
"""

from features.plan import GroupPlan
from features.types import DataType
from warehouse.parts import Held, Kept, leaves, packed

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
    found = f"toUInt64({part.name}_now)"  # the lower half
    ordered = found if part.kept is Kept.MAX else f"bitNot({found})"
    bits = f"bitXor({ordered}, {_TOP})"
    if _double(plan, part):
        value = f"reinterpretAsFloat64(if({ordered} < {_TOP}, bitNot({ordered}), {bits}))"
    else:
        value = f"reinterpretAsInt64({bits})"
    return f"if({found} = 0, NULL, {value})"


def since_boundary(plan: GroupPlan, part: Held) -> str:
    """Take the greater of what the last boundary left, which `part` holds packed, and what came since."""
    assert part.window is not None
    arrived = f"{part.name} - toUInt64({part.name}) + {rank(plan, part)}"
    counts = f"_kind = 1 AND {leaves(plan, part.window)} > _t"
    return f"max(if({counts}, greatest({part.name}, {arrived}), {part.name})) OVER w AS {part.name}_now"


def stays(part: Held) -> str:
    """Give what a boundary leaves, packed, over a frame `f` of the tiles inside it; NULL values rank 0."""
    prompt = f"max(if(_late, 0, _m{part.name})) OVER f"
    late = (
        f"arrayMax((a, m) -> if(a <= _leave, m, 0), "
        f"groupArrayIf(_arrived, _late) OVER f, groupArrayIf(_m{part.name}, _late) OVER f)"
    )
    return packed("_leave", f"greatest({prompt}, {late})")


def _double(plan: GroupPlan, part: Held) -> bool:
    assert part.argument is not None
    return plan.arguments[part.argument].type is DataType.DOUBLE
