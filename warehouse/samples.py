"""Where the values of a drift check come from: vectors, rows, a training set, answers, labels."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from warehouse.datasets import value_column
from warehouse.dialect import column
from warehouse.events import moment
from warehouse.labels import LAST

PREDICTION, LABEL = "prediction", "label"
"""The features of a model's outputs."""


@dataclass(frozen=True)
class Sample:
    """Rows, as what follows FROM, and for each feature the expression of its value in a row.

    `identity` are the columns that tell a row from all others, `segments` the expressions by which rows fall
    into segments, by what they are of.
    """

    rows: str
    columns: Mapping[str, str]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    identity: str = "*"
    segments: Mapping[str, str] = field(default_factory=dict)

    def halves(self) -> tuple["Sample", "Sample"]:
        """Deal the rows to two samples by a hash of what they are, the same at each reading."""
        drawn = f"(SELECT * FROM {self.rows}) WHERE sipHash64({self.identity}) % 2"
        return replace(self, rows=f"{drawn} = 0"), replace(self, rows=f"{drawn} = 1")


def served(model_name: str, names: Mapping[str, str], since: int, until: int) -> Sample:
    """Take the vectors of requests made in [since, until) (ms); `names` are theirs by feature."""
    rows = (
        "model_prediction_log FINAL WHERE model_name = {model:String} AND isNull(error) "
        f"AND requested_at >= {moment(since)} AND requested_at < {moment(until)}"
    )
    columns = {name: f"feature_values_used[{text(held)}]" for name, held in names.items()}
    return Sample(rows, columns, {"model": model_name})


def emitted(table: str, names: Iterable[str], since: int, until: int) -> Sample:
    """Take a group's rows of [since, until) (ms) on the log's clock.

    A row that was written again is one, for rows of one entity and `seq` have one time, as the log has it.
    """
    within = f"event_timestamp >= {moment(since)} AND event_timestamp < {moment(until)}"
    columns = {name: column(name) for name in names}
    # so what lies outside need not be read to tell which is the last
    return Sample(f"{column(table)} FINAL PREWHERE {within}", columns, identity="entity, seq")


def of_entity(name: str) -> str:
    """Write the text by which answers fall into segments of an entity."""
    return f"entity_keys[{text(name)}]"


def trained(table: str, names: Mapping[str, str]) -> Sample:
    """Take the vectors of a training set, or its label; `names` are theirs by feature."""
    return Sample(column(table), {name: value_column(held) for name, held in names.items()})


def predicted(model_name: str, version: int, since: int, until: int) -> Sample:
    """Take a version's answers to requests made in [since, until) (ms) as the feature `prediction`."""
    sample = served(model_name, {}, since, until)
    rows = f"{sample.rows} AND model_version_used = {version:d}"
    return Sample(rows, {PREDICTION: "prediction"}, sample.parameters)


def labelled(model_name: str, since: int, until: int) -> Sample:
    """Take the labels that the log took in [since, until) (ms) as the feature `label`, a request's last."""
    rows = (
        f"(SELECT request_id, {LAST} AS label FROM ground_truth FINAL "
        "WHERE model_name = {model:String} "
        f"AND log_time >= {moment(since)} AND log_time < {moment(until)} GROUP BY request_id)"
    )
    return Sample(rows, {LABEL: "label"}, {"model": model_name})


def text(value: str) -> str:
    """Write a text as an expression, whatever is in it."""
    return f"unhex('{value.encode().hex()}')"
