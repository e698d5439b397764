"""A project: the definitions that one Python module states."""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import TypeVar

from features.compile import compile_group
from features.compile_inputs import compile_source
from features.compile_model import compile_model
from features.definitions import FeatureGroup, Model, Source
from features.errors import DefinitionError
from features.inputs import SourcePlan
from features.plan import GroupPlan
from features.policies import DriftPolicy, MonitoringPolicy, Policy
from features.vector import ModelPlan
from features.windows import milliseconds

T = TypeVar("T")


@dataclass(frozen=True)
class Project:
    """All definitions of a project, in the order in which the module states them."""

    name: str
    sources: tuple[Source, ...]
    groups: tuple[FeatureGroup, ...]
    models: tuple[Model, ...]
    policies: tuple[Policy, ...]

    @cached_property
    def source_plans(self) -> dict[str, SourcePlan]:
        """The compiled sources by name. Raises `DefinitionError`."""
        return {s.name: compile_source(s) for s in self.sources}

    @cached_property
    def group_plans(self) -> dict[str, GroupPlan]:
        """The compiled groups by label (`<name>.v<version>`). Raises `DefinitionError`."""
        return {g.label: compile_group(g) for g in self.groups}

    @cached_property
    def model_plans(self) -> dict[str, ModelPlan]:
        """The compiled models by name. Raises `DefinitionError`."""
        return {m.name: compile_model(m) for m in self.models}

    def ranges(self, plan: ModelPlan) -> dict[str, tuple[float, float]]:
        """Give which values of a model's stored features are possible, as `<group>.<feature>`."""
        return {f"{group.name}.{name}": ends for group in self._read(plan) for name, ends in group.ranges}

    def watching(self, model_name: str) -> list[DriftPolicy]:
        """Give what tells whether a model's features look broken: its drift policies, and more.

        Harm sets nothing off on a broken pipeline. So where it could, the groups that the model reads and
        nobody watches are looked at as well: by the default rule, in the longest of the windows that harm is
        found in.
        """
        stated = [p for p in self.policies if isinstance(p, DriftPolicy) and p.model.name == model_name]
        acting = [
            p
            for p in self.policies
            if isinstance(p, MonitoringPolicy) and p.model.name == model_name and p.acts
        ]
        if not acting:
            return stated
        longest = max(acting, key=lambda p: milliseconds(p.window, p.name))
        watched = {p.group.label for p in stated if p.group is not None}
        read = {ref.group.label: ref.group for ref in longest.model.features}
        return stated + [
            DriftPolicy(
                group,
                longest.model,
                window=longest.window,
                every=longest.every,
                false_alarms_per_month=longest.false_alarms_per_month,
            )
            for label, group in read.items()
            if label not in watched
        ]

    def inexact(self, plan: ModelPlan) -> frozenset[str]:
        """Name the stored features, as `<group>.<feature>`, that engines may compute some ulps apart."""
        read = self._read(plan)
        return frozenset(f"{group.name}.{d.name}" for group in read for d in group.derived if d.inexact)

    def _read(self, plan: ModelPlan) -> list[GroupPlan]:
        """Give the groups of the project that a model reads."""
        return [self.group_plans[g.label] for g in plan.groups if g.label in self.group_plans]


def load_project(module_name: str) -> Project:
    """Import a module and collect what it defines.

    Raises `DefinitionError` where two definitions share a name, `ModuleNotFoundError` where there is no
    such module.
    """
    project = collect(importlib.import_module(module_name))
    if not (project.sources or project.groups or project.models):
        rule = "a project's module states sources, feature groups or models"
        raise DefinitionError(f"module {module_name}", rule, "there is nothing to apply")
    return project


def collect(module: ModuleType) -> Project:
    """Collect the definitions of an imported module; what only another definition names comes along."""
    values = list(vars(module).values())
    policies = [v for v in values if isinstance(v, Policy)]
    stated = [v for v in values if isinstance(v, Model)] + [p.model for p in policies]
    models = _distinct(stated, lambda m: m.name, "model")
    grouped = [v for v in values if isinstance(v, FeatureGroup)]
    grouped += [ref.group for m in models for ref in m.features]
    grouped += [p.group for p in policies if isinstance(p, DriftPolicy) and p.group is not None]
    groups = _distinct(grouped, lambda g: g.label, "feature group")
    named = [v for v in values if isinstance(v, Source)]
    named += [source for g in groups for source in (*g.sources, *(at.source for at in g.lookups))]
    named += [m.label.source for m in models]
    return Project(
        name=module.__name__,
        sources=tuple(_distinct(named, lambda s: s.name, "source")),
        groups=tuple(groups),
        models=tuple(models),
        policies=tuple(_distinct(policies, lambda p: str(id(p)), "policy")),
    )


def _distinct(definitions: Sequence[T], name: Callable[[T], str], kind: str) -> list[T]:
    """Keep each definition once, in order; two different ones of one name are refused."""
    kept: dict[str, T] = {}
    for definition in definitions:
        if kept.setdefault(name(definition), definition) != definition:
            rule = f"each {kind} of a project has a name of its own"
            raise DefinitionError(f"{kind} {name(definition)}", rule, "one would hide the other")
    return list(kept.values())
