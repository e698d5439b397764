"""What aggregates give for the values of a window, worked out by hand."""

from typing import Any

import pytest

from features.aggregates import OPERATIONS
from features.plan import PlannedAggregate
from features.readings import read
from features.types import DataType

D, N, B, T = DataType.DOUBLE, DataType.INTEGER, DataType.BOOLEAN, DataType.TEXT


def reading(op: str, data_type: DataType, values: list[Any], **options: Any) -> Any:
    planned = PlannedAggregate("f", op, 0, None, data_type, tuple(options.items()))
    return read(planned, data_type, values)


@pytest.mark.parametrize(
    ("op", "data_type", "values", "options", "expected"),
    [
        ("count", T, ["a", "a"], {}, 2),
        ("sum", D, [0.1, 0.2], {}, 0.3),  # in units of a millionth
        ("sum", N, [2**62, 2**62], {}, -(2**63)),
        ("mean", N, [1, 2], {}, 1.5),
        ("share", B, [True, False, True, True], {}, 0.75),
        ("variance", N, [1, 2, 3, 4], {}, 1.25),
        ("variance", D, [0.5, 1.5], {}, 0.25),
        ("stddev", N, [1, 3], {}, 1.0),
        ("skewness", N, [0, 0, 0, 4], {}, 384 / (48 * 48**0.5)),
        ("skewness", N, [7, 7], {}, None),
        ("min", D, [2.5, -1.0], {}, -1.0),
        ("max", N, [2, 5], {}, 5),
        ("first", T, ["old", "new"], {}, "old"),
        ("last", T, ["old", "new"], {}, "new"),
        ("last", N, [1, 2, 3], {"nth": 2}, 2),
        ("last", N, [1, 2], {"nth": 3}, None),
        ("last", N, [1, 2, 3, 3], {"nth": 2}, 3),
        ("last", N, [1, 2, 3, 3], {"nth": 2, "distinct": True}, 2),
        ("last", N, [3, 1, 2, 3, 3], {"nth": 3, "distinct": True}, 1),
        ("count_distinct", T, ["a", "A", "a"], {"limit": 2}, 2),
        ("count_distinct", T, ["a", "A", "b"], {"limit": 2}, None),
        ("mode", N, [3, 1, 1, 3, 2], {}, 1),  # the smallest of the two
        ("mode", T, ["ä", "z"], {}, "z"),  # by bytes
        ("mode", B, [True, False], {}, False),
        ("mode", N, [1, 2, 3], {"limit": 2}, None),
        ("mode_share", T, ["a", "b", "a", "c"], {}, 0.5),
        ("quantile", N, [1, 2, 3, 4], {"q": 0.5}, 2),
        ("quantile", N, [1, 2, 3, 4], {"q": 0.51}, 3),
        ("quantile", N, [5, 1, 9], {"q": 0.0}, 1),
        ("quantile", N, [5, 1, 9], {"q": 1.0}, 9),
        ("quantile", D, [0.5, 0.5, 7.0], {"q": 0.66, "limit": 2}, 0.5),
        ("quantile", D, [0.5, 0.5, 7.0], {"q": 0.67}, 7.0),
        ("quantile", D, [0.5, 1.5, 7.0], {"q": 0.67, "limit": 2}, None),
    ],
)
def test_a_reading(op: str, data_type: DataType, values: list[Any], options: Any, expected: Any) -> None:
    assert reading(op, data_type, values, **options) == expected


@pytest.mark.parametrize("op", [op for op in OPERATIONS if not op.startswith("decayed")])
def test_nothing_is_0_for_counts_and_sums_and_null_for_all_others(op: str) -> None:
    data_type = min(OPERATIONS[op].takes & {D, B})
    expected = 0 if op in ("count", "sum", "count_distinct") else None
    assert reading(op, data_type, []) == expected
