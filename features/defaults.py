"""A group's defaults: what vectors have of its features where an entity has no row, or none that is fresh."""

from collections.abc import Mapping, Sequence

from features.errors import DefinitionError
from features.plan import Defaults, Feature, in_row_order
from features.types import DataType, Value, fits


def compile_defaults(stated: Mapping[str, Value], features: Sequence[Feature], place: str) -> Defaults:
    """Check defaults against the features. Raises `DefinitionError` for one that is unknown or mistyped."""
    known = {feature.name: feature for feature in features}
    for name in stated:
        if name not in known:
            rule = f"a default is that of a feature of the group ({', '.join(known)})"
            raise DefinitionError(f"{place}, defaults", rule, "no vector would ever have it", name)
    typed = {name: _typed(value, known[name], place) for name, value in stated.items()}
    return in_row_order(typed, features)


def _typed(value: Value, feature: Feature, place: str) -> Value:
    if not fits(value, feature.type):
        raise DefinitionError(
            f"{place}, defaults, {feature.name}",
            f"a default is a value of its feature's type ({feature.type.value})",
            "a vector would hold what no row can",
            "NULL" if value is None else value,
        )
    # negative zero is zero
    return float(value) + 0.0 if feature.type is DataType.DOUBLE else value  # type: ignore[arg-type]
