"""Exponential decay in whole numbers: the same to the bit in every engine, in whatever order events come.

Time is cut into half-lives, `[k * H, (k + 1) * H)`. An event's amount, in the units of an exact sum, is
carried back to the start of the half-life in which it happened, by a weight from 1 to 2, and halved for
each half-life from there to the one in which it arrived. What arrived within a half-life is added up;
of each sum, half is left with each half-life. The weight at a fixed reference moment is what forward decay
of Cormode, Shkapenyuk, Srivastava and Xu (ICDE 2009) is; here the moment moves by whole half-lives.
"""

from collections.abc import Iterable
from functools import cache
from math import isqrt

from features.exact import as_double

STEPS = 1024  # weights in a half-life
WEIGHT_BITS = 20  # a weight is an integer of 2^-20
GUARD_BITS = 16  # that an amount keeps below its unit
KEPT = 63  # half-lives after which an event is forgotten
ONE = 2.0 ** (WEIGHT_BITS + GUARD_BITS)  # what a unit is multiplied by

_FRACTION = 128  # bits in which the weights are computed


@cache
def weights() -> tuple[int, ...]:
    """Give the weight of each step: 2^((step + 1/2) / 1024), at its middle, as an integer of 2^-20.

    So a weight is within 2^(1/2048) - 1, 0.034 %, of the true one.
    """
    step = _root(STEPS)
    found = [_root(2 * STEPS)]
    while len(found) < STEPS:
        found.append(found[-1] * step >> _FRACTION)
    half = 1 << (_FRACTION - WEIGHT_BITS - 1)
    return tuple((weight + half) >> (_FRACTION - WEIGHT_BITS) for weight in found)


def _root(degree: int) -> int:
    """Give 2^(1/degree) as an integer of 2^-128, the degree a power of two."""
    root = 2 << _FRACTION
    while degree > 1:
        root, degree = isqrt(root << _FRACTION), degree // 2
    return root


def contribution(units: int, ts: int, clock: int, half_life: int) -> int:
    """Give what an event of `units` adds as it arrives, times 2^36, as of the half-life's start.

    It happened at `ts` and arrives at `clock`; all times are in ms.
    """
    age = clock // half_life - ts // half_life
    if age > KEPT:
        return 0
    weight = weights()[ts % half_life * STEPS // half_life]
    return (units * weight << GUARD_BITS) >> age


def decayed(arrived: Iterable[tuple[int, int, int]], clock: int, half_life: int) -> int:
    """Give the decayed sum at `clock`, times 2^36, as of the start of its half-life.

    `arrived` are the amounts of the events, in units, with when they happened and when they arrived (ms).
    """
    sums: dict[int, int] = {}
    for units, ts, arrival in arrived:
        octave = arrival // half_life
        sums[octave] = sums.get(octave, 0) + contribution(units, ts, arrival, half_life)
    ages = ((clock // half_life - octave, total) for octave, total in sums.items())
    return sum(total >> age for age, total in ages if age <= KEPT)


def reading(total: int, unit: float) -> float:
    """Give a decayed sum as a double; `unit` units make one."""
    return as_double(total) / ONE / unit
