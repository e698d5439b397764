"""Who uses a feature group: models of the project, and registered versions by their signatures."""

from dataclasses import dataclass

from features.vector import ModelPlan

DEFINED = "defined"
"""The status of a project's model, which a training may turn into a version."""


@dataclass(frozen=True)
class Use:
    """A model that reads features of a group version; `version` is None for the project's definition."""

    label: str
    model: str
    version: int | None
    status: str
    features: tuple[str, ...]

    @property
    def reader(self) -> str:
        """The model with its version and status, for a person."""
        return f"{self.model}{'' if self.version is None else f' {self.version}'} ({self.status})"


def uses(plan: ModelPlan, version: int | None = None, status: str = DEFINED) -> list[Use]:
    """List what a model reads, group by group."""
    return [
        Use(g.label, plan.name, version, status, tuple(g.features[p].name for p in plan.read(g)))
        for g in plan.groups
    ]
