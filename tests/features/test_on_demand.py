"""A decayed sum at the request's time, against the sum of what each event is worth then."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features import DefinitionError, decayed, decayed_total, total
from features.compile import compile_group
from features.compile_model import compile_model
from features.expressions.python import evaluator
from features.reference import rows
from tests.definitions import late, plain
from tests.features.logs import HOUR, MINUTE, START, Step, log

GROUP = replace(plain, aggregates=[decayed_total("seats", half_life="1h"), total("seats", over="1h")])
NAME = "seats_decayed_sum_1h"
MODEL = compile_model(
    replace(late, features=[GROUP["seats_sum_1h"]], inputs={}, on_demand={"now": decayed(GROUP[NAME])})
)
steps = st.builds(Step, gap=st.integers(0, 5 * HOUR), late=st.integers(0, 3 * HOUR), seats=st.integers(1, 9))


def now(events: Sequence[Step], at: int) -> float | None:
    """Give the on-demand feature of a request at `at` (ms) that sees the last row before."""
    seen = rows(compile_group(GROUP), log(events), at + 1)
    last = max(seen, key=lambda row: row["seq"]) if seen else None
    known = {f"plain.{name}": None if last is None else last[name] for name in (NAME, "event_timestamp")}
    value = evaluator(MODEL.on_demand[0].expression)(known | {"requested_at": at})
    assert value is None or isinstance(value, float)
    return value


@given(events=st.lists(steps, min_size=1, max_size=8), after=st.integers(0, 20 * HOUR))
def test_an_event_is_worth_half_with_each_half_life(events: list[Step], after: int) -> None:
    records = log(events)
    at = max(record.kafka_time for record in records) + after
    told = [(record.value, record.kafka_time) for record in records if record.value is not None]
    worth = sum(
        value["seats"] * 2.0 ** ((min(value["landed_at"], arrived) - at) / HOUR) for value, arrived in told
    )
    assert now(events, at) == pytest.approx(worth, rel=4e-4)


def test_it_halves_with_the_half_life_from_any_moment() -> None:
    event = [Step(seats=4, gap=17 * MINUTE)]
    first = now(event, START + 40 * MINUTE)
    assert first is not None
    assert now(event, START + 40 * MINUTE + HOUR) == pytest.approx(first / 2)
    assert now(event, START + 5_000 * HOUR) == pytest.approx(0)  # further than a power goes
    assert now(event, START - MINUTE) is None  # no row yet


def test_another_feature_does_not_decay() -> None:
    with pytest.raises(DefinitionError, match="decayed count or sum"):
        decayed(GROUP["seats_sum_1h"])
