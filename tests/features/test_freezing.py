from collections.abc import Set
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.compile_model import compile_model
from features.definitions import Model
from features.freezing import FreezeError, freeze, frozen_value
from features.vector import ModelPlan
from tests.definitions import late, plain, whole

FILLED = replace(plain, defaults={"count_1h": 3})
STANDS = replace(whole, defaults={"busy": True, "carrier_last": "A"})


def model() -> Model:
    features = [FILLED["count_1h"], FILLED["delay_mean_1h"], STANDS["pace"], STANDS["busy"]]
    return replace(late, features=features, on_demand={"ours": "whole.carrier_last = 'A'"})


PLAN = compile_model(model())
READ = ("plain.count_1h", "plain.delay_mean_1h", "whole.pace", "whole.busy", "whole.carrier_last")


@given(st.sets(st.sampled_from([*READ, "ours", "plain.seats", "other.count_1h"])))
def test_those_that_are_named_and_read_are_frozen_and_nothing_else_changes(names: Set[str]) -> None:
    frozen = freeze(PLAN, names)
    assert set(frozen.frozen) == names & set(READ)
    assert freeze(frozen, set()) == PLAN
    assert (frozen == PLAN) == names.isdisjoint(READ)
    assert frozen.names == PLAN.names
    assert ModelPlan.from_dict(frozen.to_dict()) == PLAN  # a signature stays what it was


def test_the_value_is_the_default_that_the_group_states() -> None:
    names = ("plain.count_1h", "whole.busy", "whole.carrier_last")
    assert [frozen_value(PLAN, name) for name in names] == [3, True, "A"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("whole.pace", r"at the default that its group states.*whole\.v2 states none for 'pace'"),
        (
            "plain.seats",
            r"that reads it from a group \(5 are, of which plain\..*closest\).*'plain\.seats'",
        ),
        ("ours", "that reads it from a group.*'ours'"),
    ],
)
def test_what_has_no_default_or_is_not_read_is_refused(name: str, said: str) -> None:
    with pytest.raises(FreezeError, match=said):
        frozen_value(PLAN, name)
