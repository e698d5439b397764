"""Exponentially decayed counts and sums of the staged rows: `features.decay`, in SQL.

Of each half-life what arrived in it is summed up, so far for its own rows, whole for those after it.
"""

from features.decay import GUARD_BITS, KEPT, STEPS, weights
from features.plan import GroupPlan
from warehouse.parts import Held, units

_WEIGHTS = f"CAST('{list(weights())}', 'Array(Int64)')"  # one constant, where a list is one for each weight


def decayed(plan: GroupPlan, staged: str, part: Held, among: str) -> str:
    """Select a decayed part of the staged rows that `among` is true of, by `entity` and `seq`."""
    placed = f"SELECT entity, seq, _t, {_half_life('_t', part)} AS _now, {_added(plan, part)} FROM {staged}"
    so_far = (
        "SELECT entity, seq, _t, _now, sum(_added) OVER (PARTITION BY entity, _now ORDER BY seq "
        f"ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS _so_far FROM ({placed})"
    )
    whole = f"SELECT entity, _now, sum(_added) AS _whole FROM ({placed}) GROUP BY entity, _now"
    before = (
        "SELECT entity, _now, arraySum(p -> bitShiftRight(p.2, _now - p.1), "
        "groupArray((_now, _whole)) OVER (PARTITION BY entity ORDER BY _now "
        f"RANGE BETWEEN {KEPT} PRECEDING AND 1 PRECEDING)) AS _before FROM ({whole})"
    )
    return (
        f"SELECT entity, seq, _so_far + _before AS {part.name} FROM (SELECT * FROM ({so_far}) WHERE {among}) "
        f"AS r INNER JOIN ({before}) AS b USING (entity, _now)"
    )


def _half_life(moment: str, part: Held) -> str:
    """Give the number of the half-life that a moment lies in, rounded down before 1970 too."""
    return f"intDiv({moment} - positiveModulo({moment}, {part.half_life}), {part.half_life})"


def _added(plan: GroupPlan, part: Held) -> str:
    """Give what a row's event adds as it arrives; a shift of a signed integer rounds down."""
    amount = "toInt128(1)" if part.counted else f"toInt128(assumeNotNull({units(plan, part)}))"
    step = f"intDiv(positiveModulo(_ts, {part.half_life}) * {STEPS}, {part.half_life})"
    weighed = f"bitShiftLeft({amount} * {_WEIGHTS}[{step} + 1], {GUARD_BITS})"
    age = f"_now - {_half_life('_ts', part)}"
    counts = "_kind = 1" if part.argument is None else f"_kind = 1 AND isNotNull({part.value})"
    added = f"if({counts} AND {age} <= {KEPT}, bitShiftRight({weighed}, {age}), toInt128(0))"
    return f"{added} AS _added"
