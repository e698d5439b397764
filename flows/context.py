"""The collaborators of the flows of this process, set once when it starts.

A flow run brings only its parameters, as JSON; what it works with cannot travel in them.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TypeVar

from features.definitions import Model
from features.policies import (
    CanaryPolicy,
    DriftPolicy,
    EvaluationPolicy,
    GatePolicy,
    MonitoringPolicy,
    Policy,
)
from features.project import Project
from flows.contracts import (
    Artifacts,
    AuditServed,
    BuildDataset,
    ChangedValues,
    CheckDrift,
    CheckPerformance,
    FreezeReferences,
    KeepExperiment,
    LookAtCanary,
    NoPictures,
    Pictures,
    Query,
    ResolveAlerts,
    SendAlert,
    TrainingSet,
    WindowsDone,
)
from inference.registry import Registry, Trial

P = TypeVar("P", bound=Policy)


@dataclass(frozen=True)
class Context:
    """What flows work with.

    `publish` sends the registry's outbox to the log and gives the number of events sent; `code_version`
    names the code that trains. `clock` gives how far (ms) the log's clock has come in the warehouse.
    `wait_for_warehouse` returns once the warehouse holds all that the log holds up to a moment (ms on the
    log's clock), and raises where it still lags. `training_set` gives what a former version was trained on,
    and `changed_values` what a training set has that was not so at the request. `on_trial` is told of each
    trial of a search that has been kept. `stalled_groups` gives the labels of groups whose pipeline stands
    still. `pictures` draws what is put on the pages of runs. `documents_url` is where docs/playbooks is
    published, if anywhere.
    """

    project: Project
    registry: Registry
    artifacts: Artifacts
    dataset: BuildDataset
    query: Query
    audit: AuditServed
    freeze: FreezeReferences
    check_drift: CheckDrift
    check_performance: CheckPerformance
    look_at_canary: LookAtCanary
    clock: Callable[[], int]
    alert: SendAlert
    resolve: ResolveAlerts
    publish: Callable[[], int]
    code_version: str
    wait_for_warehouse: Callable[[int], None] = lambda _until: None
    training_set: TrainingSet = lambda _dataset_version: None
    changed_values: ChangedValues = lambda _model_name, _table: []
    on_trial: Callable[[Trial], None] = lambda _trial: None
    stalled_groups: Callable[[], Collection[str]] = tuple
    windows_done: WindowsDone = lambda policy, version: ()  # noqa: ARG005
    keep_experiment: KeepExperiment = lambda experiment_id: None  # noqa: ARG005
    pictures: Pictures = field(default_factory=NoPictures)
    documents_url: str = ""
    seed: int = 1
    threads: int = 1

    def model(self, model_name: str) -> Model:
        """Give the definition of a model; raises `LookupError` where the project has none."""
        for model in self.project.models:
            if model.name == model_name:
                return model
        raise LookupError(
            f"a flow works on a model of its project; {self.project.name} has none of the name "
            f"{model_name!r}, so nothing can be trained"
        )

    def owner(self, model_name: str | None) -> str:
        """Give whose a model is; empty where the project has none of the name, or nobody is stated."""
        return next((m.owner for m in self.project.models if m.name == model_name), "")

    @property
    def drift_policies(self) -> list[DriftPolicy]:
        """The project's drift policies, in its order."""
        return [p for p in self.project.policies if isinstance(p, DriftPolicy)]

    @property
    def monitoring_policies(self) -> list[MonitoringPolicy]:
        """The project's monitoring policies, in its order."""
        return [p for p in self.project.policies if isinstance(p, MonitoringPolicy)]

    @property
    def canary_policies(self) -> list[CanaryPolicy]:
        """The project's canary policies, in its order."""
        return [p for p in self.project.policies if isinstance(p, CanaryPolicy)]

    def policy(self, kind: type[P], model_name: str) -> P | None:
        """Give the policy of a kind that the project states for a model, if it does."""
        stated = (p for p in self.project.policies if isinstance(p, kind) and p.model.name == model_name)
        return next(stated, None)

    def evaluation_policy(self, model_name: str) -> EvaluationPolicy:
        """Give the policy that judges challengers of a model; raises `LookupError` where it has none."""
        policy = self.policy(EvaluationPolicy, model_name)
        if policy is None:
            raise LookupError(
                f"a challenger is judged by its model's evaluation policy; project {self.project.name} has "
                f"none for {model_name!r}, so its trial cannot end"
            )
        return policy

    def gate_policy(self, model_name: str) -> GatePolicy:
        """Give the gates of a model: those that the project states, or the usual ones."""
        return self.policy(GatePolicy, model_name) or GatePolicy(self.model(model_name))


_configured: list[Context] = []


def configure(context: Context) -> None:
    """Set the collaborators of this process's flows."""
    _configured[:] = [context]


def current() -> Context:
    """Give the collaborators; raises `RuntimeError` before `configure`."""
    if not _configured:
        raise RuntimeError(
            "flows run in a process that has called flows.context.configure; "
            "without it they have no registry and no warehouse (found neither)"
        )
    return _configured[0]
