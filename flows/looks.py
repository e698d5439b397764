"""What the flows that check windows share: how often they run, and which windows of a policy they look at."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
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
def windows_done(policy: DriftPolicy | MonitoringPolicy) -> Collection[int]:
    """Give the ends (ms) of the windows of the champion that are done with."""
    context = current()
    champion = context.registry.champion(policy.model.name)
    return () if champion is None else context.windows_done(policy, champion.version)


def missed(every_ms: int, done: Collection[int], newest: int) -> list[int]:
    """Give the ends (ms) of the windows since the first one done that are not, the oldest first.

    They are among the 31 before `newest`. A look at a later window leaves them missed.
    """
    first = min(done, default=newest)
    ends = range(newest - _MADE_UP * every_ms, newest, every_ms)
    return [end for end in ends if end > first and end not in done]


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

    Before the newest those are looked at that ended while nothing ran, or of which nobody could be told; what
    was found comes in order, the newest last. A policy without a champion or a reference is passed over, and
    `facts` says so under its name; where it was `named`, `NoReferenceError` is raised.
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
    return [*missed(policy.every_ms, windows_done(policy), newest), newest]
