"""The bins of one feature: of a number by upper bounds, of anything else by category."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Bins:
    """Bins frozen on a reference.

    A number's bin i holds edges[i-1] < value <= edges[i], and the one after the last edge all above; there
    are len(edges) + 1. Where PSI compares, the first and the last of these are beyond all that the reference
    held. Categories have a bin for each of `levels` and one for all others. In both the last
    bin is of missing values: NULL, and NaN of a number.
    """

    edges: tuple[float, ...] = ()
    levels: tuple[str, ...] | None = None

    @property
    def size(self) -> int:
        """How many bins there are."""
        return 2 + len(self.edges if self.levels is None else self.levels)
