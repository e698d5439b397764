import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.routing import deduplication_key, entity_text, takes_challenger

KEYS = st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=3)


@given(left=KEYS, right=KEYS)
def test_texts_of_entities_are_equal_only_for_equal_entities(
    left: dict[str, str], right: dict[str, str]
) -> None:
    assert (entity_text(left) == entity_text(right)) == (left == right)
    assert entity_text(left) == entity_text(dict(reversed(left.items())))


@given(unit=st.text(), low=st.floats(0, 1), high=st.floats(0, 1))
def test_an_entity_stays_with_its_variant(unit: str, low: float, high: float) -> None:
    low, high = sorted((low, high))
    assert takes_challenger("m", 2, unit, low) <= takes_challenger("m", 2, unit, high)
    assert not takes_challenger("m", 2, unit, 0.0)
    assert takes_challenger("m", 2, unit, 1.0)


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5])
@pytest.mark.parametrize("other", [("b", 2), ("a", 3)])
def test_the_share_is_the_share_and_differs_between_models_and_versions(
    share: float, other: tuple[str, int]
) -> None:
    units = [f"carrier={n}" for n in range(20_000)]
    one, two = ([takes_challenger(*who, u, share) for u in units] for who in (("a", 2), other))
    tolerance = 5 * (share * (1 - share) / len(units)) ** 0.5
    assert abs(sum(one) / len(units) - share) < tolerance
    assert abs(sum(a and b for a, b in zip(one, two, strict=True)) / len(units) - share**2) < tolerance


def test_the_deduplication_key_tells_its_parts_apart() -> None:
    assert deduplication_key({"carrier": "AA"}, "m", "1") == "carrier=AA|m|1"
    assert deduplication_key({"carrier": "AA|m"}, "x", "1") != deduplication_key(
        {"carrier": "AA"}, "m", "x|1"
    )
