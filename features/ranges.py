"""Which values of a group's features are possible: what lies beyond is a fault, not a change of the world."""

import math
from collections.abc import Mapping, Sequence

from features.errors import DefinitionError
from features.plan import Defaults, Feature, Ranges, in_row_order
from features.types import DataType


def compile_ranges(
    stated: Mapping[str, tuple[float, float]], features: Sequence[Feature], defaults: Defaults, place: str
) -> Ranges:
    """Check ranges against the features and their defaults, and give them in row order.

    Raises `DefinitionError`.
    """
    known = {f.name: f for f in features if f.type in (DataType.INTEGER, DataType.DOUBLE)}
    for name, ends in stated.items():
        if name not in known:
            rule = f"a range is that of a number among the group's features ({', '.join(known)})"
            raise DefinitionError(f"{place}, ranges", rule, "no value would ever lie beyond it", name)
        if not _is_range(ends):
            rule = "a range goes from a number to a larger one"
            raise DefinitionError(
                f"{place}, ranges, {name}", rule, "every value would lie beyond it, or none", str(ends)
            )
    for name, value in defaults:
        if name in stated and not stated[name][0] <= value <= stated[name][1]:  # type: ignore[operator]
            rule = f"a default is possible, within its feature's range {stated[name]}"
            raise DefinitionError(
                f"{place}, ranges, {name}", rule, "what is served for want of a row would look broken", value
            )
    return in_row_order({n: (float(low), float(high)) for n, (low, high) in stated.items()}, features)


def _is_range(ends: object) -> bool:
    if not isinstance(ends, tuple | list) or len(ends) != 2:
        return False
    if not all(isinstance(end, int | float) for end in ends):
        return False
    return bool(-math.inf < ends[0] < ends[1] < math.inf)
