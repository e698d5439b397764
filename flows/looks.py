"""What the flows that check windows share: how often they run, and a look at each policy's window."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from features.policies import DriftPolicy, MonitoringPolicy
from flows.check import NoReferenceError, window_end

P = TypeVar("P", DriftPolicy, MonitoringPolicy)
F = TypeVar("F")


def interval(flow: str, every_ms: Iterable[int]) -> dict[str, int]:
    """Give how often (ms) a flow runs by itself: as often as the policy that looks the most; by flow."""
    shortest = min(every_ms, default=None)
    return {} if shortest is None else {flow: shortest}


def looks(
    policies: Sequence[P],
    clock: int,
    at: int | None,
    look: Callable[[P, int], F],
    facts: dict[str, str],
    *,
    named: bool,
) -> Iterator[tuple[P, F]]:
    """Look at the window of each policy that ends at `at` (ms), or the newest that is over at `clock` (ms).

    One without a champion or a reference is passed over, and `facts` says so under its name; where the policy
    was `named`, `NoReferenceError` is raised.
    """
    for policy in policies:
        try:
            found = look(policy, window_end(policy, clock) if at is None else at)
        except NoReferenceError as reason:
            if named:
                raise
            facts[policy.name] = str(reason)
        else:
            yield policy, found
