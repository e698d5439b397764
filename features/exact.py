"""Doubles out of exact sums: the formulas that every engine computes alike, operation by operation.

Sums are integers (see `features.plan.SCALE`). Each step below is one operation of IEEE 754, rounded to
nearest, ties to even, so the results are the same to the bit wherever they are computed.
"""

import math

_LIMB = 2**64


def as_double(total: int) -> float:
    """Give an integer as a double: the sum of its 64-bit limbs' doubles, from the highest down, signed.

    Exact up to 2^53, the nearest double up to 2^64, within one ulp beyond.
    """
    rest, limbs = abs(total), []
    while rest:
        rest, limb = divmod(rest, _LIMB)
        limbs.append(limb)
    value = 0.0
    for limb in reversed(limbs):
        value = value * 2.0**64 + float(limb)
    return -value if total < 0 else value


def mean(count: int, total: int, unit: float) -> float | None:
    """Give the mean of `count` values that sum up to `total` units, each 1 / `unit`."""
    return as_double(total) / unit / float(count) if count else None


def variance(count: int, total: int, squares: int, unit: float) -> float | None:
    """Give the population variance: (n * sum of squares - sum^2) / n^2, the numerator exact."""
    if not count:
        return None
    spread = as_double(count * squares - total * total)
    return spread / (unit * unit) / (float(count) * float(count))


def stddev(count: int, total: int, squares: int, unit: float) -> float | None:
    """Give the root of the variance."""
    found = variance(count, total, squares, unit)
    return None if found is None else math.sqrt(found)


def skewness(count: int, total: int, squares: int, cubes: int) -> float | None:
    """Give the population skewness, m3 / m2^1.5 with m the central moments; the unit cancels.

    With D = n * S2 - S1^2 and N = n^2 * S3 - 3 * n * S1 * S2 + 2 * S1^3, both exact, it is
    N / (D * sqrt(D)); NULL where D is 0.
    """
    spread = as_double(count * squares - total * total)
    if not spread:
        return None
    third = as_double(count * count * cubes - 3 * count * total * squares + 2 * total**3)
    return third / (spread * math.sqrt(spread))
