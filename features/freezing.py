"""Freezing: a model has a feature at its default, whatever the online store holds.

The signature stays what the model was trained on, and rows stay what they are; only what is read of them
changes.
"""

import difflib
from collections.abc import Mapping, Set
from dataclasses import replace

from features.types import Value
from features.vector import ModelPlan

_CLOSE = 3
Frozen = Mapping[str, Set[str]]
"""By model, the features that are frozen, as its vector names them: `<group>.<feature>`."""


class FreezeError(ValueError):
    """A feature cannot be frozen."""


def freeze(plan: ModelPlan, names: Set[str]) -> ModelPlan:
    """Give the plan with the features of these names, and no others, at their defaults.

    One that it does not read is passed over, and one whose group states no default for it is NULL.
    """
    groups = (
        replace(group, frozen=tuple(p for p in sorted(plan.read(group)) if group.name(p) in names))
        for group in plan.groups
    )
    return replace(plan, groups=tuple(groups))


def frozen_value(plan: ModelPlan, name: str) -> Value:
    """Give the default at which a feature would be frozen; raises `FreezeError` where there is none."""
    read = {group.name(p): (group, p) for group in plan.groups for p in plan.read(group)}
    if name not in read:
        close = difflib.get_close_matches(name, read, _CLOSE, 0.0)
        near = f", of which {', '.join(close)} are the closest" if len(read) > len(close) else ""
        known = near or (f": {', '.join(close)}" if close else "")
        raise FreezeError(
            f"a feature is frozen for a model that reads it from a group ({len(read)} are{known}); nothing "
            f"of {plan.name} would be another with {name!r}"
        )
    group, position = read[name]
    value = group.default(position)
    if value is None:
        raise FreezeError(
            f"a feature is frozen at the default that its group states; {plan.name} would have NULL in its "
            f"place, for {group.label} states none for {group.features[position].name!r}"
        )
    return value
