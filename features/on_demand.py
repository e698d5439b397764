"""What on-demand features are often made of, as text of expressions."""

from features.definitions import FeatureRef
from features.errors import DefinitionError

_LONG_AGO = -1000.0  # half-lives; `power` takes no more, and what is left is nothing


def decayed(feature: FeatureRef) -> str:
    """Write the expression of a decayed count or sum at the request's time; the row has it as of before.

    A row holds what there is at the start of the half-life in which the row stands, from which on it is
    halved with each half-life: *x* 2^((start - requested_at) / half-life). NULL where there is no row.
    Raises `DefinitionError` for a feature that does not decay.
    """
    group = feature.group
    found = next((a for a in group.aggregates if a.name == feature.feature), None)
    half_life = dict(found.options).get("half_life") if found is not None else None
    if half_life is None:
        raise DefinitionError(
            f"group {group.label}",
            "what is brought to the request's time is a decayed count or sum",
            "another feature stays as it is until its next row",
            feature.feature,
        )
    row = f"cast({group.name}.event_timestamp as bigint)"
    start = f"{row} - {row} % {half_life}"
    age = f"({start} - cast(requested_at as bigint)) / {half_life}.0"
    return f"{group.name}.{feature.feature} * power(2.0, greatest({age}, {_LONG_AGO}))"
