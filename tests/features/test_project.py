from dataclasses import replace
from types import ModuleType

import pytest

from features import DefinitionError, DriftPolicy, EvaluationPolicy, MonitoringPolicy
from features.compile import compile_group
from features.policies import Policy
from features.project import collect, load_project
from tests.definitions import landed, plain
from tests.definitions import late as two_sources

late = replace(two_sources, features=[plain["count_1h"]])  # `whole` has a source of the same name


def module(**definitions: object) -> ModuleType:
    made = ModuleType("flights")
    vars(made).update(definitions)
    return made


def test_a_module_is_collected_in_its_order() -> None:
    drift, trial = DriftPolicy(plain, late), EvaluationPolicy(late)
    second = replace(plain, version=2)
    project = collect(module(b=second, a=plain, model=late, drift=drift, trial=trial, other=5, again=trial))
    assert project.name == "flights"
    assert [g.label for g in project.groups] == ["plain.v2", "plain.v1"]
    assert project.models == (late,)
    assert project.policies == (drift, trial)


def test_definitions_are_loaded_by_the_modules_name_and_compiled_by_their_own() -> None:
    project = load_project("examples.flights")
    assert project.source_plans.keys() == {s.name for s in project.sources}
    assert all(compile_group(g) == project.group_plans[g.label] for g in project.groups)
    assert project.model_plans.keys() == {m.name for m in project.models}
    assert len(project.groups) > 1
    assert len(project.policies) > 1


def test_sources_that_only_groups_or_labels_name_come_along() -> None:
    other = replace(landed(), name="taken_off")
    project = collect(module(group=replace(plain, source=other)))
    assert project.sources == (other,)
    project = collect(module(model=late))
    assert [s.name for s in project.sources] == ["landed"]


def test_groups_and_models_that_only_a_model_or_a_policy_names_come_along() -> None:
    assert collect(module(model=late)).groups == (plain,)
    project = collect(module(trial=EvaluationPolicy(late)))
    assert (project.models, project.groups) == ((late,), (plain,))
    watched = replace(plain, name="watched")
    project = collect(module(drift=DriftPolicy(watched, late)))
    assert (project.models, project.groups) == ((late,), (plain, watched))


def test_where_harm_sets_something_off_all_that_the_model_reads_is_looked_at() -> None:
    second = replace(plain, name="second")
    model = replace(late, features=[plain["count_1h"], second["count_1h"]])
    drift = DriftPolicy(plain, model, method="ks")

    def watching(*policies: Policy) -> list[DriftPolicy]:
        stated = {f"policy_{place}": policy for place, policy in enumerate(policies)}
        return collect(module(model=model, **stated)).watching("late")

    assert watching(drift) == [drift]
    assert watching(drift, MonitoringPolicy(model, on_harm="tell")) == [drift]
    for acts in ({}, {"on_harm": "fall_back"}, {"on_harm": "tell", "on_estimated": "retrain"}):
        found = watching(drift, MonitoringPolicy(model, window="2d", every="12h", **acts))
        assert found == [drift, DriftPolicy(second, model, window="2d", every="12h")]


def test_equal_definitions_are_one() -> None:
    project = collect(module(a=plain, again=plain, source=landed(), once_more=landed()))
    assert project.groups == (plain,)
    assert project.sources == (landed(),)


def test_two_versions_of_a_group_stand_side_by_side() -> None:
    second = replace(plain, version=2, owner="other")
    project = collect(module(a=plain, b=second))
    assert list(project.group_plans) == ["plain.v1", "plain.v2"]


@pytest.mark.parametrize(
    ("definitions", "message"),
    [
        (
            {"a": plain, "b": replace(plain, owner="other")},
            "feature group plain.v1: each feature group of a project has a name of its own; one would "
            "hide the other",
        ),
        ({"a": late, "b": replace(late, owner="other")}, "model late: each model of a project has a name"),
        ({"a": landed(), "b": landed(2)}, "source landed: each source of a project has a name of its own"),
        ({"a": two_sources}, "source landed: each source of a project has a name of its own"),
        ({"a": plain, "b": landed(2)}, "source landed: each source of a project has a name of its own"),
    ],
)
def test_two_definitions_of_one_name_are_refused(definitions: dict[str, object], message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        collect(module(**definitions))


def test_a_module_that_is_not_there() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_project"):
        load_project("examples.no_such_project")
