"""What a model was trained on, feature by feature, as rows of `drift_reference`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from clickhouse_connect.driver.client import Client

from warehouse.bins import Bins

DECILES = tuple(i / 10 for i in range(11))
"""The shares whose quantiles a reference keeps: smallest, nine deciles, largest."""
_COLUMNS = ("experiment_id", "policy", "feature", "method", "edges", "levels", "counts", "deciles")


@dataclass(frozen=True)
class Reference:
    """A feature's distribution, frozen: its bins, the counts in them, and how it is compared.

    `deciles` are a number's smallest value, its nine deciles and its largest; empty for a category.
    """

    feature: str
    method: str
    bins: Bins
    counts: tuple[int, ...]
    deciles: tuple[float, ...]

    @property
    def rows(self) -> int:
        """How many values there were, missing ones too."""
        return sum(self.counts)

    @property
    def ended(self) -> bool:
        """Whether the outer bins are of numbers beyond all that the reference held, with others between."""
        return len(self.bins.edges) > 2 and not (self.counts[0] or self.counts[-2])

    def within(self, counts: Sequence[int]) -> tuple[int, ...]:
        """Give counts by bin with what is beyond the reference in the bins next to it."""
        if not self.ended:
            return tuple(counts)
        below, first, *inner, above, missing = counts
        *rest, last = (first + below, *inner)
        return (*rest, last + above, missing)

    def beyond(self, counts: Sequence[int]) -> int:
        """Count the numbers that lie beyond all that the reference held, by counts by bin."""
        return counts[0] + counts[-2] if self.ended else 0


def keep(client: Client, experiment_id: str, policy: str, references: Iterable[Reference]) -> None:
    """Write a policy's references of the model that an experiment made; written again they are the same."""
    rows = [
        [
            experiment_id,
            policy,
            r.feature,
            r.method,
            list(r.bins.edges),
            list(r.bins.levels or ()),
            list(r.counts),
            list(r.deciles),
        ]
        for r in references
    ]
    if rows:
        client.insert("drift_reference", rows, column_names=_COLUMNS)


def read(client: Client, experiment_id: str, policy: str) -> list[Reference]:
    """Read a policy's references, by feature; none where they were never frozen."""
    found = client.query(
        f"SELECT {', '.join(_COLUMNS[2:])}, length(counts) = length(edges) + 2 AND empty(levels) "
        "FROM drift_reference FINAL "
        "WHERE experiment_id = {experiment:String} AND policy = {policy:String} ORDER BY feature",
        parameters={"experiment": experiment_id, "policy": policy},
    ).result_rows
    return [
        Reference(
            feature,
            method,
            Bins(tuple(edges)) if of_number else Bins(levels=tuple(levels)),
            tuple(counts),
            tuple(deciles),
        )
        for feature, method, edges, levels, counts, deciles, of_number in found
    ]
