"""What the flows need from outside: each collaborator as the narrowest thing they call."""

from collections.abc import Collection, Mapping
from typing import Any, Protocol

import pyarrow as pa
from numpy.typing import ArrayLike

from features.evaluation import EvaluationPolicy
from features.policies import CanaryPolicy, DriftPolicy, MonitoringPolicy
from flows.check import Report
from flows.performance import Performance
from flows.rollout import Look
from inference.registry import Canary, ModelVersion
from warehouse.audit import Audit
from warehouse.leakage import Changes


class Dataset(Protocol):
    """A stored training set: named, versioned, immutable."""

    @property
    def version(self) -> int:
        """The version under `name`; the two identify it for ever."""

    @property
    def name(self) -> str:
        """The name it was built under."""

    @property
    def table(self) -> str:
        """Its table in the warehouse."""

    @property
    def rows(self) -> int:
        """How many labelled vectors it holds."""

    @property
    def content_hash(self) -> str:
        """The content's hash."""

    def read(self) -> pa.Table:
        """Give its rows: `prediction_time`, `label_time`, `label` and a column for each vector name."""


class BuildDataset(Protocol):
    """Builds the as-of training set of a model from all labels known to the log by `end` (ms)."""

    def __call__(self, model_name: str, name: str, end: int) -> Dataset:
        """Give the dataset `name`; one that exists under it is given back as it is."""


class Query(Protocol):
    """Runs a SELECT with ClickHouse's typed parameters (`{name:Type}`) in the warehouse."""

    def __call__(self, sql: str, parameters: Mapping[str, Any]) -> pa.Table:
        """Give the result as an Arrow table."""


class Artifacts(Protocol):
    """The store of model files."""

    def put(self, model_name: str, payload: bytes) -> tuple[str, str]:
        """Store a file and give its address and SHA-256; the same bytes may be stored again."""

    def get(self, uri: str, sha256: str) -> bytes:
        """Read a file; raises where it is not there, or is another."""


class Pictures(Protocol):
    """Draws what was found lately, as SVG; None where there is nothing to draw."""

    def drift(self, policy: str, model: str) -> str | None:
        """Draw how far a drift policy's features have moved, window by window."""

    def performance(self, policy: str, model: str) -> str | None:
        """Draw a monitoring policy's metric by window."""

    def search(self, study: str) -> str | None:
        """Draw the trials of a study."""


class NoPictures(Pictures):
    """Draws nothing."""


class TrainingSet(Protocol):
    """Reads what a former version was trained on."""

    def __call__(self, dataset_version: str, /) -> pa.Table | None:
        """Give the rows of `<name>@<version>`, as its experiment names them; None where they are gone."""


class ChangedValues(Protocol):
    """Looks for values of a training set that were others at the request, or became others later."""

    def __call__(self, model_name: str, table: str, /) -> list[Changes]:
        """Compare the training set `table` with answers, and labels' records with later ones."""


class AuditServed(Protocol):
    """Recomputes served vectors from raw events, and keeps the outcome where SQL can read it."""

    def __call__(self, audit_id: str, model_name: str, since: int, until: int, sample: int | None) -> Audit:
        """Audit the answers to requests made in [since, until) (ms); one outcome stands for an `audit_id`."""


class FreezeReferences(Protocol):
    """Freezes what a model was trained and tried on, for its drift and monitoring policies."""

    def __call__(
        self, model_name: str, experiment_id: str, table: str, scores: ArrayLike, labels: ArrayLike
    ) -> None:
        """Freeze the training set `table`, and the `scores` and `labels` of what it was not trained on."""


class CheckDrift(Protocol):
    """Checks a window of a drift policy, and keeps the outcome where SQL can read it."""

    def __call__(self, policy: DriftPolicy, version: ModelVersion, end: int) -> Report:
        """Check the window that ends at `end` (ms) against what a version was trained on."""


class CheckPerformance(Protocol):
    """Checks a window of a monitoring policy, and keeps the outcome where SQL can read it."""

    def __call__(self, policy: MonitoringPolicy, version: ModelVersion, end: int) -> Performance:
        """Check the window that ends at `end` (ms) against the holdout of a version."""


class WindowsDone(Protocol):
    """Tells which windows are done with."""

    def __call__(self, policy: DriftPolicy | MonitoringPolicy, version: int) -> Collection[int]:
        """Give the ends (ms) of the windows of a policy in which a version was checked.

        One that alarms counts once the warehouse has its alert; those before the newest alert are left out.
        """


class LookAtCanary(Protocol):
    """Looks at a canary beside the champion, by their answers in the warehouse."""

    def __call__(
        self, policy: CanaryPolicy, judged_by: EvaluationPolicy | None, canary: Canary, champion: int
    ) -> Look | None:
        """Take the newest look that is due; None before the first."""


class SendAlert(Protocol):
    """Sends a record of `alerts` to the log."""

    def __call__(self, alert: Mapping[str, Any]) -> None:
        """Return once the log has acknowledged it."""


class ResolveAlerts(Protocol):
    """Resolves what is over."""

    def __call__(self, incident: str, why: str, at: int) -> None:
        """Resolve the open alerts of an incident, if there are any; return once the log holds it."""


class KeepExperiment(Protocol):
    """Tells the log what the registry has of experiments."""

    def __call__(self, experiment_id: str) -> None:
        """Send an experiment, its gates and its trials, in place of what was sent before."""


class CreateRun(Protocol):
    """Asks the orchestrator for a flow run."""

    def __call__(self, flow: str, parameters: Mapping[str, Any], key: str) -> str:
        """Give the id of the run that `key` stands for: a new one, or the one it already has."""
