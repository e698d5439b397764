"""What the flows that check windows share: how often they run, and which windows of a policy they look at."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from prefect import task

from features.policies import DriftPolicy, MonitoringPolicy
from flows.check import NoReferenceError, window_end
from flows.context import current
from flows.steps import RETRIED

P = TypeVar("P", DriftPolicy, MonitoringPolicy)
F = TypeVar("F")


def interval(flow: str, every_ms: Iterable[int]) -> dict[str, int]:
    """Give how often (ms) a flow runs by itself: as often as the policy that looks the most; by flow."""
    shortest = min(every_ms, default=None)
    return {} if shortest is None else {flow: shortest}


_MADE_UP = 31


@task(**RETRIED)
def last_window(policy: DriftPolicy | MonitoringPolicy) -> int | None:
    """Give the end (ms) of the newest window of the champion that is done with, if there is one."""
    context = current()
    champion = context.registry.champion(policy.model.name)
    return None if champion is None else context.last_window(policy, champion.version)


def missed(every_ms: int, last: int | None, newest: int) -> list[int]:
    """Give the ends (ms) of the windows after `last` and before `newest`: 31 at most, the oldest first."""
    if last is None:
        return []
    first = newest - every_ms * min(_MADE_UP, -(-(newest - last) // every_ms) - 1)
    return list(range(first, newest, every_ms))


def looks(
    policies: Sequence[P],
    clock: int,
    at: int | None,
    look: Callable[[P, int], F],
    facts: dict[str, str],
    *,
    named: bool,
) -> Iterator[tuple[P, list[F]]]:
    """Look at the window of each policy that ends at `at` (ms), or the newest that is over at `clock` (ms).

    Before the newest those are looked at that ended since the last look, while nothing ran, or of which
    nobody could be told; what was found comes in order, the newest last. A policy without a champion or a
    reference is passed over, and `facts` says so under its name; where it was `named`, `NoReferenceError` is
    raised.
    """
    for policy in policies:
        try:
            found = [look(policy, end) for end in _ends(policy, clock, at)]
        except NoReferenceError as reason:
            if named:
                raise
            facts[policy.name] = str(reason)
        else:
            yield policy, found


def _ends(policy: DriftPolicy | MonitoringPolicy, clock: int, at: int | None) -> list[int]:
    if at is not None:
        return [at]
    newest = window_end(policy, clock)
    return [*missed(policy.every_ms, last_window(policy), newest), newest]
