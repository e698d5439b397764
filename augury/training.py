"""What the flows read from the warehouse and keep there: training sets, windows, queries."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from features.policies import DriftPolicy, MonitoringPolicy
from features.project import Project
from warehouse import datasets
from warehouse.client import Client
from warehouse.leakage import Changes, since_label, since_request
from warehouse.reports import windows_done


@dataclass(frozen=True)
class StoredDataset:
    """A training set in the warehouse, as the flows read it."""

    client: Client
    stored: datasets.Dataset

    @property
    def name(self) -> str:
        """The name it was built under."""
        return self.stored.name

    @property
    def version(self) -> int:
        """The version under the name."""
        return self.stored.version

    @property
    def table(self) -> str:
        """Its table in the warehouse."""
        return self.stored.table

    @property
    def rows(self) -> int:
        """How many labelled vectors it holds."""
        return self.stored.rows

    @property
    def content_hash(self) -> str:
        """The content's hash."""
        return self.stored.content_hash

    def read(self) -> pa.Table:
        """Read the labelled vectors in order of prediction."""
        return datasets.read(self.client, self.stored)


@dataclass(frozen=True)
class Datasets:
    """Builds training sets from the rows that the stream emitted; one name is built once."""

    client: Client
    project: Project

    def __call__(self, model_name: str, name: str, end: int) -> StoredDataset:
        """Build the set of all labels that the log held at `end` (ms), or give the one that stands."""
        plan = self.project.model_plans[model_name]
        stored = datasets.find(self.client, name, plan)
        if stored is None:
            stored = datasets.build(self.client, name, plan, 0, end, origin=datasets.STREAM)
        return StoredDataset(self.client, stored)


def stored_set(client: Client, dataset_version: str) -> StoredDataset | None:
    """Give the set `<name>@<version>`, as experiments name it, with the hash that its rows have now."""
    name, _, version = dataset_version.rpartition("@")
    if not (name and version.isdigit()):
        return None
    stored = datasets.stored(client, name, int(version))
    held = None if stored is None else datasets.as_it_is(client, stored)
    return None if held is None else StoredDataset(client, held)


@dataclass(frozen=True)
class Windows:
    """Reads which windows are done with."""

    client: Client

    def __call__(self, policy: DriftPolicy | MonitoringPolicy, version: int) -> set[int]:
        """Give the ends (ms) of a policy's windows in which a version was checked, and alarms told."""
        drift = isinstance(policy, DriftPolicy)
        view, alarm = (
            ("drift_windows", "drifted") if drift else ("performance_windows", "breached OR ks_breached")
        )
        return windows_done(self.client, view, alarm, policy.name, policy.model.name, version)


@dataclass(frozen=True)
class TrainingSets:
    """Reads the training sets that former versions were trained on."""

    client: Client

    def __call__(self, dataset_version: str) -> pa.Table | None:
        """Give the rows of `<name>@<version>`, as experiments name them; None where they are not stored."""
        name, _, version = dataset_version.rpartition("@")
        if not (name and version.isdigit()):
            return None
        stored = datasets.stored(self.client, name, int(version))
        return None if stored is None else datasets.read(self.client, stored)


@dataclass(frozen=True)
class ChangedValues:
    """Compares what training reads of labels' records with requests, and with later records."""

    client: Client
    project: Project

    def __call__(self, model_name: str, table: str) -> list[Changes]:
        """Compare the training set `table` of a model."""
        plan = self.project.model_plans[model_name]
        return [*since_request(self.client, plan, table), *since_label(self.client, plan)]


@dataclass(frozen=True)
class Query:
    """Runs SELECTs of the flows in the warehouse."""

    client: Client

    def __call__(self, sql: str, parameters: Mapping[str, Any]) -> pa.Table:
        """Give the result as an Arrow table."""
        return self.client.query_arrow(sql, parameters=dict(parameters), use_strings=True)
