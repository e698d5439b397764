"""Values of a training set that were not those of the request: what training reads of a label's record.

A stored feature cannot know what came after its prediction, for it is joined on the log's clock. A request's
inputs are read of the record that brings the label, which was written later.
"""

from dataclasses import dataclass

from clickhouse_connect.driver.client import Client

from features.expressions.tree import columns_of
from features.vector import ModelPlan
from warehouse.dialect import column
from warehouse.drift import COLUMNS
from warehouse.samples import text


@dataclass(frozen=True)
class Changes:
    """Of how many requests a value could be compared, and of how many it differs."""

    name: str
    compared: int
    changed: int

    @property
    def share(self) -> float:
        """The share of compared requests whose value differs; 0 where there are none."""
        return self.changed / max(self.compared, 1)


def since_request(client: Client, plan: ModelPlan, table: str) -> list[Changes]:
    """Compare a training set with the answers to the same requests, in each feature made of inputs alone.

    Values differ where one is missing, or by more than 1e-6 of the larger: engines may compute inexact
    functions some units in the last place apart.
    """
    names = [d.name for d in plan.on_demand if set(columns_of(d.expression)) <= set(plan.inputs)]
    found = []
    for batch in (names[i : i + COLUMNS] for i in range(0, len(names), COLUMNS)):
        differ = ", ".join(f"countIf({_differs(f'_t{i}', f'_a{i}')})" for i in range(len(batch)))
        trained = ", ".join(f"{column(name)} AS _t{i}" for i, name in enumerate(batch))
        served = ", ".join(f"feature_values_used[{text(name)}] AS _a{i}" for i, name in enumerate(batch))
        counts = client.query(
            f"SELECT count(), {differ} FROM (SELECT request_id, {trained} FROM {column(table)}) AS _t "
            f"INNER JOIN (SELECT request_id, {served} FROM model_prediction_log FINAL "
            "WHERE model_name = {model:String} AND isNull(error) AND notEmpty(feature_values_used)) AS _a "
            "USING (request_id)",
            parameters={"model": plan.name},
        ).result_rows[0]
        found += [Changes(name, int(counts[0]), int(n)) for name, n in zip(batch, counts[1:], strict=True)]
    return found


def since_label(client: Client, plan: ModelPlan) -> list[Changes]:
    """Compare the first record of each request that has later ones with those, in each input of the model."""
    if not plan.inputs:
        return []
    changed = ", ".join(
        f"uniqExact(tuple({column(name)})) > 1 AS _c{i}" for i, name in enumerate(plan.inputs)
    )
    counted = ", ".join(f"countIf(_c{i})" for i in range(len(plan.inputs)))
    counts = client.query(
        f"SELECT count(), {counted} FROM (SELECT {changed} FROM {column(plan.label.source)} FINAL "
        f"GROUP BY {column(plan.label.request_id)} HAVING count() > 1)"
    ).result_rows[0]
    return [Changes(name, int(counts[0]), int(n)) for name, n in zip(plan.inputs, counts[1:], strict=True)]


def _differs(a: str, b: str) -> str:
    apart = f"abs({a} - {b}) > 1e-6 * greatest(abs({a}), abs({b}), 1)"
    return f"if(isNull({a}) OR isNull({b}), isNull({a}) != isNull({b}), {apart})"
