"""Cut-over: which version of a group serving reads where a model's signature names another.

A signature stays what the model was trained on. A route says that another version is read in the place of
one that signatures name; it fits where that version has each feature that is read, of the same type.
"""

from collections.abc import Mapping
from dataclasses import replace

from features.contracts import AppliedContract
from features.vector import ModelPlan, VectorGroup

Routes = Mapping[tuple[str, int], VectorGroup]
"""By group and signed version, the version that is read; one that is not named is read as signed."""


class CutoverError(ValueError):
    """A version cannot be read in the place of another."""


def target_of(contract: AppliedContract) -> VectorGroup:
    """Give a version that was applied as what a route leads to; it takes no positions of its own."""
    stated = contract.stated
    return VectorGroup(
        group=contract.group,
        version=contract.version,
        entity=stated["entity"]["name"],
        features=contract.features,
        positions=(),
        expected_max_lag_ms=stated["freshness"]["expected_max_lag_ms"],
        on_stale=stated["freshness"]["on_stale"],
        defaults=contract.defaults,
    )


def reroute(plan: ModelPlan, routes: Routes) -> ModelPlan:
    """Give the plan with the versions that are read; the vector's names and order stay.

    Raises `CutoverError` where a route does not fit what the plan reads.
    """
    groups = [_instead(plan, group, routes.get((group.group, group.version), group)) for group in plan.groups]
    return replace(plan, groups=tuple(groups))


def _instead(plan: ModelPlan, signed: VectorGroup, target: VectorGroup) -> VectorGroup:
    if target is signed:
        return signed
    if target.entity != signed.entity:
        raise CutoverError(
            "a version is read in the place of another only for the same entity; "
            f"{plan.name} reads {signed.label} of {signed.entity}, and {target.label} is of {target.entity}"
        )
    there = {feature: position for position, feature in enumerate(target.features)}
    missing = [f for f in (signed.features[p] for p in plan.read(signed)) if f not in there]
    if missing:
        named = ", ".join(f"{f.name} ({f.type})" for f in missing)
        raise CutoverError(
            "a version is read in the place of another only if it has each feature that is read, of the same "
            f"type; {plan.name} reads {named} of {signed.label}, and {target.label} has no such feature"
        )
    return replace(target, positions=tuple(there[signed.features[p]] for p in signed.positions))
