"""Which values of a group's features are possible: what lies beyond is a fault, not a change of the world."""

import math
from collections.abc import Mapping, Sequence

from features.errors import DefinitionError
from features.plan import Feature, Ranges
from features.types import DataType


def compile_ranges(
    stated: Mapping[str, tuple[float, float]], features: Sequence[Feature], place: str
) -> Ranges:
    """Check ranges against the features, and give them in row order. Raises `DefinitionError`."""
    known = {f.name: f for f in features if f.type in (DataType.INTEGER, DataType.DOUBLE)}
    for name, (low, high) in stated.items():
        if name not in known:
            rule = f"a range is that of a number among the group's features ({', '.join(known)})"
            raise DefinitionError(f"{place}, ranges", rule, "no value would ever lie beyond it", name)
        if not -math.inf < low < high < math.inf:
            rule = "a range goes from a number to a larger one"
            raise DefinitionError(
                f"{place}, ranges, {name}", rule, "every value would lie beyond it, or none", (low, high)
            )
    return tuple((n, (float(stated[n][0]), float(stated[n][1]))) for n in known if n in stated)
