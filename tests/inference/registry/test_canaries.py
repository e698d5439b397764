import threading
from collections.abc import Callable, Iterator
from itertools import count

import pytest

from inference.registry import Canary, ConflictError, ModelStatus, Registry, ServingConfig
from tests.inference.registry.test_registry import WHO, kinds, register


@pytest.fixture
def registry(url: str) -> Iterator[Registry]:
    """A registry with a champion, a challenger that was judged against it, and a version that waits."""
    ticks = count(1_000)
    registry = Registry(url, lambda: next(ticks))
    registry.migrate()
    for _ in range(3):
        register(registry)
    registry.promote("late", 1, **WHO)
    registry.start_trial("late", 2, **WHO)
    yield registry
    registry.close()


def on(registry: Registry) -> Canary:
    found = registry.canaries.on("late")
    assert found is not None
    return found


def test_a_canary_takes_over_by_shares_and_is_promoted(registry: Registry) -> None:
    assert registry.canaries.on("late") is None
    registry.canaries.begin("late", 2, 0.01, evidence={"wins": 40}, **WHO)
    registry.canaries.begin("late", 2, 0.01, **WHO)
    serving = registry.serving_config("late")
    assert serving == ServingConfig("late", 2, 0.01, canary=True)
    assert serving.on_trial is None  # it is judged by the canary's own looks
    first = on(registry)
    assert (first.version, first.share, first.began) == (2, 0.01, first.since)
    registry.canaries.grow(first, 0.5, **WHO, evidence={"share": 0.01, "number": 10})
    second = on(registry)
    assert (second.share, second.began) == (0.5, first.began)
    assert second.since > first.since
    registry.promote("late", 2, **WHO)
    assert registry.canaries.on("late") is None
    assert registry.serving_config("late") == ServingConfig("late")
    assert kinds(registry)[-4:] == [
        ("canary_started", 2),
        ("canary_grew", 2),
        ("retired", 1),
        ("promoted", 2),
    ]
    started, grew = [e for e in registry.history.events("late") if e.kind.startswith("canary")]
    assert (started.evidence, grew.evidence) == (
        '{"wins": 40, "share": 0.01}',
        '{"share": 0.5, "number": 10}',
    )
    assert (started.at, grew.at, grew.status) == (first.since, second.since, ModelStatus.CHALLENGER)


@pytest.mark.parametrize(
    "end",
    [
        lambda r: r.reject("late", 2, **WHO),
        lambda r: r.retire("late", 2, **WHO),
        lambda r: r.retire("late", 1, **WHO),
    ],
    ids=["rejected", "retired", "its champion is retired"],
)
def test_whatever_ends_it_the_champion_has_all_requests_again(
    registry: Registry, end: Callable[[Registry], None]
) -> None:
    registry.canaries.begin("late", 2, 0.25, **WHO)
    end(registry)
    assert registry.canaries.on("late") is None
    assert registry.serving_config("late") == ServingConfig("late")


def test_a_version_that_was_not_judged_begins_none(registry: Registry) -> None:
    with pytest.raises(ConflictError, match="needs a \\(new\\) trial"):
        registry.canaries.begin("late", 3, 0.1, **WHO)
    with pytest.raises(ConflictError, match="version 1 is champion"):
        registry.canaries.begin("late", 1, 0.1, **WHO)
    register(registry, "new")
    with pytest.raises(ConflictError, match="there is none"):
        registry.canaries.begin("new", 1, 0.1, **WHO)
    assert not any(kind.startswith("canary") for kind, _ in kinds(registry))


def test_while_it_is_on_nobody_else_moves_requests(registry: Registry) -> None:
    registry.canaries.begin("late", 2, 0.1, **WHO)
    with pytest.raises(ConflictError, match=r"a trial starts while no canary is on.*version 2"):
        registry.start_trial("late", 3, **WHO)
    with pytest.raises(ConflictError, match="routed by hand while no canary is on"):
        registry.set_serving_config(ServingConfig("late", 3, 0.5), by="ann", why="by hand")
    registry.reject("late", 3, **WHO)  # another version's end leaves it alone
    assert on(registry).share == 0.1


def test_requests_split_by_hand_are_not_taken_over(registry: Registry) -> None:
    registry.set_serving_config(ServingConfig("late", 3, 0.5), by="ann", why="by hand")
    with pytest.raises(ConflictError, match="version 3 has it"):
        registry.canaries.begin("late", 2, 0.1, **WHO)


def test_of_two_looks_at_once_one_grows_it(registry: Registry, url: str) -> None:
    registry.canaries.begin("late", 2, 0.01, **WHO)
    seen, outcomes = on(registry), list[str]()
    start = threading.Barrier(2)

    def grow(share: float) -> None:
        own = Registry(url, lambda: 9_000)
        start.wait()
        try:
            own.canaries.grow(seen, share, **WHO)
            outcomes.append(f"grew to {share}")
        except ConflictError as conflict:
            outcomes.append(str(conflict))
        own.close()

    threads = [threading.Thread(target=grow, args=(share,)) for share in (0.1, 0.2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (won,) = [text for text in outcomes if text.startswith("grew")]
    assert won == f"grew to {on(registry).share}"
    (lost,) = [text for text in outcomes if text != won]
    assert "at 0.01 is over" in lost
    assert kinds(registry).count(("canary_grew", 2)) == 1


def test_a_look_at_a_canary_that_has_ended_changes_nothing(registry: Registry) -> None:
    registry.canaries.begin("late", 2, 0.01, **WHO)
    seen = on(registry)
    registry.reject("late", 2, **WHO)
    with pytest.raises(ConflictError, match=r"at 0\.01 is over"):
        registry.canaries.grow(seen, 0.1, **WHO)
    with pytest.raises(ConflictError, match="version 2 is rejected"):
        registry.promote("late", 2, **WHO)
    assert registry.serving_config("late") == ServingConfig("late")
