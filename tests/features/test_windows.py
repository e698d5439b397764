import pytest
from hypothesis import given
from hypothesis import strategies as st

from features import DefinitionError
from features.windows import Window, floor, milliseconds, spell, window

S, M, H, D = 1_000, 60_000, 3_600_000, 86_400_000
MOMENTS = st.integers(-(10**15), 10**15)
HOPS = st.sampled_from([1, 7, S, M, 15 * M, H, D]) | st.integers(1, 10**9)
WINDOWS = st.builds(lambda hop, tiles: Window(hop * tiles, hop), HOPS, st.integers(1, 500))


@pytest.mark.parametrize(
    ("over", "hop"),
    [
        *(("1s", S), ("59s", S), ("1m", S), ("90s", S), ("299s", S), ("5m", 5 * S), ("10m", 5 * S)),
        *(("15m", 15 * S), ("59m", 15 * S), ("1h", M), ("90m", M), ("3h", M), ("5h", 5 * M), ("6h", 5 * M)),
        *(("15h", 15 * M), ("1d", 15 * M), ("3d", H), ("7d", H), ("14d", H), ("15d", 6 * H), ("30d", 6 * H)),
        *(("60d", D), ("365d", D)),
    ],
)
def test_the_default_hop_is_the_largest_that_cuts_the_window_in_sixty(over: str, hop: int) -> None:
    assert window(over, None, "here") == Window(milliseconds(over, "here"), hop)


def test_a_stated_hop_holds() -> None:
    assert window("3h", "15m", "here") == Window(3 * H, 15 * M)
    assert window("500ms", "100ms", "here") == Window(500, 100)


@pytest.mark.parametrize(("over", "hop"), [("1h", "25m"), ("1h", "2h"), ("1500ms", None), ("10ms", None)])
def test_a_size_that_is_no_multiple_of_its_hop_is_refused(over: str, hop: str | None) -> None:
    with pytest.raises(DefinitionError) as refused:
        window(over, hop, "mean(x)")
    assert "mean(x): a window's size is a multiple of its hop" in str(refused.value)
    assert f"over={over}, hop={hop or '1s'}" in str(refused.value)
    assert "its tail would not fall on a boundary" in str(refused.value)


@pytest.mark.parametrize("text", ["", "0s", "-1h", "1.5h", "1", "h", "1w", "1 h", "1H", "1h\n"])
def test_a_bad_duration_is_refused(text: str) -> None:
    with pytest.raises(
        DefinitionError, match="a duration is a positive whole number and one of ms, s, m, h, d"
    ):
        milliseconds(text, "here")


@given(st.integers(1, 10**12))
def test_a_spelled_duration_reads_back(ms: int) -> None:
    assert milliseconds(spell(ms), "here") == ms


@given(MOMENTS, HOPS)
def test_floor_is_the_last_boundary(ms: int, hop: int) -> None:
    assert floor(ms, hop) % hop == 0
    assert floor(ms, hop) <= ms < floor(ms, hop) + hop


@given(MOMENTS, MOMENTS, HOPS)
def test_floor_keeps_order(a: int, b: int, hop: int) -> None:
    assert (floor(a, hop) <= floor(b, hop)) or a > b


@given(WINDOWS, MOMENTS, st.integers(-3, 3), st.integers(0, 600))
def test_a_tile_is_inside_exactly_until_it_leaves(span: Window, ts: int, near: int, tiles: int) -> None:
    for clock in (span.leaves_at(ts) + near, ts + tiles * span.hop + near):
        inside = floor(ts, span.hop) >= span.first_tile(clock)
        assert inside == (clock < span.leaves_at(ts))


@given(WINDOWS, MOMENTS)
def test_the_tail_is_up_to_one_hop_long(span: Window, clock: int) -> None:
    assert clock - span.size - span.hop < span.first_tile(clock) <= clock - span.size
    assert span.leaves_at(clock) % span.hop == 0
