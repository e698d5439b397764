"""What a drift policy watches: which features, how each is compared, and where its values are."""

from dataclasses import replace

from features.policies import DriftPolicy
from features.project import Project
from features.training import REGRESSION
from features.types import DataType
from flows.divergence import CHI_SQUARED
from warehouse.client import Client
from warehouse.drift import period
from warehouse.samples import (
    LABEL,
    PREDICTION,
    Sample,
    emitted,
    labelled,
    of_entity,
    predicted,
    served,
    trained,
)


class NothingWatchedError(LookupError):
    """A policy watches features that its model does not read."""


def methods(policy: DriftPolicy, project: Project) -> dict[str, str]:
    """Give how each feature is compared, in order. Raises `NothingWatchedError`."""
    if policy.group is None:
        number = policy.model.task == REGRESSION
        return {PREDICTION: policy.method, LABEL: policy.method if number else CHI_SQUARED}
    typed = _features(policy, project)
    return {
        name: CHI_SQUARED
        if kind in (DataType.BOOLEAN, DataType.TEXT) or name in policy.categorical
        else policy.method
        for name, kind in typed.items()
    }


def reference(client: Client, policy: DriftPolicy, project: Project, table: str) -> Sample:
    """Give the values behind a training set: its vectors or labels, or the rows of its period."""
    if policy.group is None:
        return trained(table, {LABEL: LABEL})
    if policy.values == "rows":
        plan = project.group_plans[policy.group.label]
        return emitted(plan.table, _features(policy, project), *period(client, table))
    return trained(table, _vector_names(policy, project))


def window(policy: DriftPolicy, project: Project, version: int, since: int, until: int) -> list[Sample]:
    """Give the values of [since, until) (ms) that are compared; predictions are those of a version."""
    if policy.group is None:
        answered = predicted(policy.model.name, version, since, until)
        by = {entity.name: of_entity(entity.name) for entity in policy.model.entities}
        return [replace(answered, segments=by), labelled(policy.model.name, since, until)]
    entity = policy.group.entity.name
    if policy.values == "rows":
        plan = project.group_plans[policy.group.label]
        rows = emitted(plan.table, _features(policy, project), since, until)
        return [replace(rows, segments={entity: "entity"})]
    vectors = served(policy.model.name, _vector_names(policy, project), since, until)
    return [replace(vectors, segments={entity: of_entity(entity)})]


def _features(policy: DriftPolicy, project: Project) -> dict[str, DataType]:
    assert policy.group is not None
    if policy.values == "rows":
        return {f.name: f.type for f in project.group_plans[policy.group.label].features}
    for group in project.model_plans[policy.model.name].groups:
        if group.label == policy.group.label:
            return {group.features[p].name: group.features[p].type for p in group.positions}
    raise NothingWatchedError(
        f"a drift policy of values as served is of a group that its model reads; {policy.model.name} reads "
        f'none of {policy.group.label}, so there is nothing to compare: state values="rows"'
    )


def _vector_names(policy: DriftPolicy, project: Project) -> dict[str, str]:
    return {name: policy.vector_name(name) for name in _features(policy, project)}
