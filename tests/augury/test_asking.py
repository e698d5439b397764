import pytest

from augury.asking import AskingError, Contract, typed
from features.types import DataType

CONTRACT = Contract("late", {"route": ("origin", "dest")}, {"n": DataType.INTEGER, "at": DataType.TIMESTAMP})


@pytest.mark.parametrize(
    ("text", "data_type", "value"),
    [
        ("true", DataType.BOOLEAN, True),
        ("12", DataType.INTEGER, 12),
        ("1.5", DataType.DOUBLE, 1.5),
        ("12", DataType.TEXT, "12"),
        ("1700000000000", DataType.TIMESTAMP, 1_700_000_000_000),
        ("2023-11-14T22:13:20Z", DataType.TIMESTAMP, 1_700_000_000_000),
        ("", DataType.DOUBLE, None),
    ],
)
def test_values_are_read_by_their_types(text: str, data_type: DataType, value: object) -> None:
    assert typed("x", text, data_type) == value


@pytest.mark.parametrize(
    ("text", "data_type"), [("maybe", DataType.BOOLEAN), ("1.5", DataType.INTEGER), ("x", DataType.DOUBLE)]
)
def test_a_value_of_another_type_is_told(text: str, data_type: DataType) -> None:
    with pytest.raises(AskingError, match=f"is of type {data_type.value}, and '{text}' is none"):
        typed("x", text, data_type)


def test_a_request_is_what_the_pairs_state() -> None:
    asked = CONTRACT.request(["route=JFK|A=B", "n=3"], "r", 2)
    assert asked == {
        "request_id": "r",
        "model_name": "late",
        "model_version": 2,
        "variant": None,
        "explain": False,
        "entity_keys": {"route": "JFK|A=B"},
        "inputs": {"n": 3},
    }


def test_a_variant_is_asked_by_name() -> None:
    asked = CONTRACT.request(["route=A|B"], "r", variant="shadow")
    assert (asked["model_version"], asked["variant"]) == (None, "shadow")


@pytest.mark.parametrize("pair", ["route", "nothing=1", "=1"])
def test_what_the_model_does_not_know_is_told(pair: str) -> None:
    with pytest.raises(AskingError, match=r"\(route, n, at\)"):
        CONTRACT.request([pair], "r")
