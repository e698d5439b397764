"""The audit: every served vector recomputed from raw events, by the identity of its rows.

A row is a function of the log, so the backfill's row of the same `(entity, seq)` is what the served one
must be. How far the rows that were visible lagged the log is another question, and told apart
(`warehouse.visible`).
"""

from collections.abc import Iterator, Set
from dataclasses import dataclass
from enum import StrEnum

from clickhouse_connect.driver.client import Client

from features.expressions.tree import columns_of
from features.plan import NamedExpression
from features.types import DataType
from features.vector import REQUESTED_AT, ModelPlan, VectorGroup
from warehouse.answers import Answers, rows_of, used_sql
from warehouse.defaults import default, filled
from warehouse.dialect import column, same, text
from warehouse.on_demand import on_demand_sql


class Cause(StrEnum):
    """Why a served value is not the recomputed one."""

    NOT_ONE_ROW = "not one row"  # the answer does not name exactly one row of the group
    NOT_IN_LOG = "row not in the log"  # the log gives no row of this identity and moment
    NO_ROW_THEN = "no row then"  # the answer says that the entity had no row, and has not its default
    DEFAULTED = "default misstated"  # the answer says that defaults stand there, or not, against the contract
    VALUE = "value differs"
    NOT_TOLD = "value not told"
    ON_DEMAND = "on-demand differs"  # from what the rows, the inputs and the time give


@dataclass(frozen=True)
class Difference:
    """A feature's values that differ for one cause: in how many vectors."""

    feature: str
    cause: Cause
    vectors: int


@dataclass(frozen=True)
class Audit:
    """What an audit found: vectors audited, vectors that differ, and their differences by feature.

    `skipped` counts the vectors of other group versions than the plan's: nothing is said of them.
    """

    vectors: int
    mismatches: int
    differences: tuple[Difference, ...]
    skipped: int

    def values(self, feature: str) -> int:
        """Give how many vectors hold a value of the feature that differs."""
        return sum(d.vectors for d in self.differences if d.feature == feature)


def audit(
    client: Client,
    plan: ModelPlan,
    since: int,
    until: int,
    sample: int | None = None,
    inexact: Set[str] = frozenset(),
) -> Audit:
    """Recompute the vectors of answers to requests made in [since, until) (ms), and compare them.

    The backfill of the model's groups must have come as far as the rows that were used. `sample` is how
    many answers are audited, chosen by their request ids' hashes; None audits all. `inexact` names the
    stored features whose values are the same within a relative 1e-12, as those computed from them are.
    """
    answers = Answers(plan, since, until, sample)
    found = client.query(
        f"SELECT _feature, _cause, uniqExact(deduplication_key) FROM ({_differences(answers, inexact)}) "
        "GROUP BY GROUPING SETS ((_feature, _cause), ()) ORDER BY _feature, _cause"
    ).result_rows
    differences = tuple(Difference(name, Cause(cause), int(n)) for name, cause, n in found if name)
    vectors, skipped = client.query(
        f"SELECT (SELECT count() FROM ({answers.sql})), (SELECT count() FROM ({answers.others_sql}))"
    ).result_rows[0]
    mismatches = sum(int(n) for name, _, n in found if not name)  # the total's row
    return Audit(int(vectors), mismatches, differences, int(skipped))


def _differences(answers: Answers, inexact: Set[str]) -> str:
    """Select an answer, a feature and a cause for each value that is not the recomputed one."""
    plan = answers.plan
    inputs = [f"{_input(name, t)} AS {column(f'_in_{name}')}" for name, t in plan.inputs.items()]
    used = [part for i, group in enumerate(plan.groups) for part in _identity(i, group)]
    named = ", ".join(["deduplication_key", "requested_at", "feature_values_used", "frozen", *used, *inputs])
    joins = " ".join(
        f"LEFT JOIN (SELECT * FROM backfill_{group.group}_v{group.version} FINAL "
        f"WHERE (entity, seq) IN (SELECT _entity, _seq FROM ({used_sql(group, answers)}))) AS _b{i} "
        f"ON _a._entity{i} = _b{i}.entity AND _a._seq{i} = _b{i}.seq"
        for i, group in enumerate(plan.groups)
    )
    checks = ", ".join([*_stored(plan, inexact), *_on_demand(plan, inexact)])
    return (
        "SELECT deduplication_key, _check.1 AS _feature, _check.2 AS _cause "
        f"FROM (SELECT _a.deduplication_key AS deduplication_key, [{checks}] AS _checks "
        f"FROM (SELECT {named} FROM ({answers.sql})) AS _a {joins} SETTINGS join_use_nulls = 1) "
        "ARRAY JOIN arrayFilter(c -> c.2 != '', _checks) AS _check"
    )


def _identity(index: int, group: VectorGroup) -> Iterator[str]:
    yield f"{rows_of(group)} AS _rows{index}"
    for position, name in enumerate(("_entity", "_at", "_seq", "_age", "_defaulted"), start=1):
        yield f"tupleElement(_rows{index}[1], {position}) AS {name}{index}"
    yield f"length(_rows{index}) AS _named{index}"


def _wrong_row(index: int, group: VectorGroup) -> list[tuple[str, Cause]]:
    """Give the conditions under which there is no row to hold a value to."""
    other = f"isNull(_b{index}.seq) OR _b{index}.event_timestamp != _at{index}"
    return [
        (f"_named{index} != 1", Cause.NOT_ONE_ROW),
        (f"_seq{index} >= 0 AND ({other})", Cause.NOT_IN_LOG),
        (f"_defaulted{index} != ({_defaulted(index, group)})", Cause.DEFAULTED),
    ]


def _defaulted(index: int, group: VectorGroup) -> str:
    """Say in SQL whether, by the group's contract, its defaults stand in the place of the row."""
    if not group.defaults:
        return "0"
    if not group.passes_over_stale:
        return f"_seq{index} < 0"
    return f"_seq{index} < 0 OR ifNull(_age{index} > {group.expected_max_lag_ms}, 1)"


def _stored(plan: ModelPlan, inexact: Set[str]) -> Iterator[str]:
    for index, group in enumerate(plan.groups):
        for position in group.positions:
            name = group.name(position)
            truth = f"CAST({_recomputed(index, group, position)}, 'Nullable(Float64)')"
            missing = (f"{_differs(name, truth)} AND _seq{index} < 0", Cause.NO_ROW_THEN)
            wrong = [*_wrong_row(index, group), missing]
            yield _check(name, truth, wrong, Cause.VALUE, inexact=name in inexact)


def _on_demand(plan: ModelPlan, inexact: Set[str]) -> Iterator[str]:
    columns = {name: f"_a.{column(f'_in_{name}')}" for name in plan.inputs}
    columns[REQUESTED_AT] = "_a.requested_at"
    for index, group in enumerate(plan.groups):
        at = f"_b{index}.event_timestamp"
        columns[group.timestamp] = f"if({_defaulted(index, group)}, NULL, {at})" if group.defaults else at
        for position in plan.read_on_demand(group):
            columns[group.name(position)] = _recomputed(index, group, position)
    for named in plan.on_demand:
        wrong = [c for i, g in enumerate(plan.groups) if _reads(named, g) for c in _wrong_row(i, g)]
        truth = on_demand_sql(named, columns)
        about = named.inexact or not inexact.isdisjoint(columns_of(named.expression))
        yield _check(named.name, truth, wrong, Cause.ON_DEMAND, inexact=about)


def _reads(named: NamedExpression, group: VectorGroup) -> bool:
    return any(name.startswith(f"{group.group}.") for name in columns_of(named.expression))


def _check(
    name: str, truth: str, wrong: list[tuple[str, Cause]], otherwise: Cause, *, inexact: bool = False
) -> str:
    """Write the pair of a feature and why it differs; an empty text where it does not."""
    not_told = (f"NOT mapContains(_a.feature_values_used, {text(name)})", Cause.NOT_TOLD)
    cases = [*wrong, not_told, (_differs(name, truth, inexact=inexact), otherwise)]
    branches = ", ".join(f"{condition}, {text(cause)}" for condition, cause in cases)
    return f"({text(name)}, multiIf({branches}, ''))"


def _differs(name: str, truth: str, *, inexact: bool = False) -> str:
    return f"NOT {same(f'_a.feature_values_used[{text(name)}]', truth, inexact=inexact)}"


def _recomputed(index: int, group: VectorGroup, position: int) -> str:
    row = f"_b{index}.{column(group.features[position].name)}"
    value = filled(group, position, row, _defaulted(index, group))
    return f"if(has(_a.frozen, {text(group.name(position))}), {default(group, position)}, {value})"


_JSON_TYPES = {
    DataType.INTEGER: "Nullable(Int64)",
    DataType.DOUBLE: "Nullable(Float64)",
    DataType.BOOLEAN: "Nullable(Bool)",
    DataType.TEXT: "Nullable(String)",
}


def _input(name: str, data_type: DataType) -> str:
    if data_type is DataType.TIMESTAMP:
        return f"fromUnixTimestamp64Milli(JSONExtract(inputs, {text(name)}, 'Nullable(Int64)'), 'UTC')"
    return f"JSONExtract(inputs, {text(name)}, {text(_JSON_TYPES[data_type])})"
