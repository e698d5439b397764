"""Hand-made streams, by what is hard about them. Moments are in ms after the stream's beginning."""

from math import inf, nan

from features.plan import BOUND
from tests.conformance.engines import PLANS
from tests.features.logs import DAY, HOUR, MINUTE, SECOND, Step

Moment = tuple[int, Step]
YEAR = 365 * DAY
LEAP_DAY = 2 * YEAR + 59 * DAY  # 1972-02-29, from time zero on
# When a tile that begins with the stream leaves: each window's edge.
EDGES = sorted({window.leaves_at(0) for plan in PLANS for window in plan.windows})
HOPS = sorted({window.hop for plan in PLANS for window in plan.windows})


def at(moment: int, **step: object) -> Moment:
    """Say what comes when."""
    return moment, Step(**step)  # type: ignore[arg-type]  # checked by the dataclass's users


def timeline(*moments: Moment) -> tuple[Step, ...]:
    """Put the steps in the order of their moments; ties stay as they are written."""
    steps, clock = [], 0
    for moment, step in sorted(moments, key=lambda pair: pair[0]):
        steps.append(Step(**{**vars(step), "gap": moment - clock}))
        clock = moment
    return tuple(steps)


CASES: dict[str, tuple[Step, ...]] = {
    # The first stream of a log begins at time zero, and its keys stay as they are. Its first record comes a
    # millisecond later, for a producer that says zero means now.
    "from time zero on": timeline(
        at(1, carrier="", seats=1, delay=1.0, late=1),
        at(1, carrier="", seats=2, delay=-0.0, late=2),  # happened before time zero
        at(1, carrier="A", seats=3, late=30 * MINUTE + 1),
        at(2, carrier="A", seats=4, late=30 * MINUTE + 3),
        at(HOUR, carrier="", seats=5, late=2 * HOUR, partition=1),
        at(90 * MINUTE, carrier="A", late=400 * DAY, delay=2.0),
        at(LEAP_DAY - 1, carrier="A", delay=3.0),
        at(LEAP_DAY, carrier="A", delay=4.0, seats=5),
        at(LEAP_DAY + DAY - 1, carrier="A", delay=5.0, partition=1),
        at(LEAP_DAY + DAY, carrier="A", delay=6.0, late=DAY),
        at(LEAP_DAY + DAY, carrier="A", delay=7.0, late=366 * DAY),
    ),
    "ties in T, partitions in reverse": timeline(
        *(at(MINUTE, seats=n, delay=float(n), partition=2 - n % 3, id=n) for n in range(6)),
        *(at(MINUTE, seats=n, late=n % 2, partition=n % 3, diverted=n > 2) for n in range(6)),
    ),
    "ties in ts, at other T": timeline(
        *(at(n * MINUTE, late=n * MINUTE, seats=n, delay=-float(n), partition=n % 3) for n in range(6)),
        at(6 * MINUTE, late=6 * MINUTE, seats=None, delay=None),
    ),
    "the edges of every window, to the ms": timeline(
        *(at(0, carrier=f"w{edge}", seats=1, delay=20.0) for edge in EDGES),
        *(
            at(edge + by, carrier=f"w{edge}", seats=by, delay=float(by), partition=by % 3)
            for edge in EDGES
            for by in (-1, 0, 1)
        ),
    ),
    "late by a window, to the ms": timeline(
        *(
            at(edge + by, late=edge + by, carrier=f"w{edge}", seats=by + 3, delay=20.0 + by)
            for edge in EDGES
            for by in (-1, 0, 1)
        ),
    ),
    "on the boundaries of hops": timeline(
        *(at(3 * hop + by, carrier=f"h{hop}", seats=3, delay=float(by)) for hop in HOPS for by in (-1, 0, 1)),
        *(at(4 * hop, late=hop, carrier=f"h{hop}", seats=4, delay=16.0, partition=1) for hop in HOPS),
        *(at(4 * hop, tick=True, partition=2) for hop in HOPS),
    ),
    "gaps longer than the windows": timeline(
        *(at(moment, seats=n, delay=float(n)) for n, moment in enumerate((0, 7 * HOUR, 33 * HOUR, 9 * DAY))),
    ),
    "a year idle, twice": timeline(
        at(0, seats=1, delay=1.5, id=1), at(YEAR, seats=2, partition=1, id=1), at(2 * YEAR + 1, delay=2.5)
    ),
    "late by seconds to years": timeline(
        at(0, seats=9, delay=50.0),
        *(
            at(2 * HOUR + n, late=late, seats=n, delay=float(n), partition=n % 3)
            for n, late in enumerate(
                (SECOND, 2 * SECOND, MINUTE, 30 * MINUTE, HOUR, 6 * HOUR, DAY, 30 * DAY, YEAR, 40 * YEAR)
            )
        ),
        at(2 * HOUR + 90 * MINUTE, late=89 * MINUTE, seats=11),
    ),
    "from the future": timeline(
        *(
            at(n * MINUTE, late=-ahead, seats=n, delay=float(n), partition=n % 3)
            for n, ahead in enumerate((1, SECOND, HOUR, DAY, YEAR, 100 * YEAR))
        ),
        at(6 * MINUTE, seats=7),
    ),
    "times that no engine holds": timeline(
        at(0, late=200 * YEAR), at(1, late=-400 * YEAR, id=1), at(2, seats=1, id=1), at(3, late=100 * YEAR)
    ),
    "duplicates at the edge of dedup": timeline(
        *(at(0, id=n, seats=n) for n in range(3)),
        *(at(HOUR + by, id=by + 1, seats=10 + by) for by in (-1, 0, 1)),
        at(2 * HOUR - 1, id=0, seats=20),  # exactly dedup after the duplicate
        at(2 * HOUR - 1, id=1, seats=21, carrier="B"),
    ),
    "duplicates of duplicates": timeline(
        *(at(n * 59 * MINUTE, id=1, seats=n, partition=n % 3) for n in range(6)),
        at(6 * 59 * MINUTE + MINUTE, id=1, seats=6),
        at(6 * 59 * MINUTE + MINUTE, id=1, seats=7),
    ),
    "duplicates across partitions": timeline(
        *(at(MINUTE, id=1, seats=n, partition=2 - n) for n in range(3)),
        at(HOUR, id=1, seats=4, partition=1, behind=30 * MINUTE),
        at(HOUR, id=1, seats=5, partition=2),
        at(2 * HOUR, id=1, seats=6, partition=0),
        *(at(5 * HOUR, id=2, seats=n, partition=n % 3, behind=HOUR * n) for n in range(4)),
    ),
    "duplicates of what was left out or refused": timeline(
        at(0, id=1, diverted=True, seats=0),
        at(1, id=1, seats=1),
        at(2, id=2, carrier=None),
        at(3, id=2, seats=2),
        at(4, id=3, delay=nan),
        at(5, id=3, delay=3.0),
        at(6, id=4, carrier="A"),
        at(7, id=4, carrier="B"),
        at(HOUR + 7, id=4, carrier="B"),
    ),
    "NULL keys and NULL arguments": timeline(
        at(0, carrier=None, seats=1),
        at(0, gate=None, seats=1),
        at(1, delay=None, seats=None),
        at(2, delay=None, seats=3),
        at(3, delay=16.0, seats=None),
        at(4, carrier=None, gate=None, tick=False),
        at(HOUR, delay=16.0, seats=4, late=MINUTE),
    ),
    "keys": timeline(
        *(
            at(n, carrier=carrier, seats=n, id=n)
            for n, carrier in enumerate(
                (
                    " ",
                    "ü",
                    "u\u0308",
                    "日本 ✈ 👩‍✈️",
                    "'",
                    '"',
                    "\t\n",
                    "null",
                    "x" * 10_000,
                    "ß",
                    "İ",
                    "a",
                    "A",
                    "`",
                    "$",
                )
            )
        ),
        *(at(n * MINUTE, carrier="日本 ✈ 👩‍✈️", delay=float(n)) for n in range(1, 4)),
    ),
    "keys with separators": timeline(
        *(
            at(n, carrier=carrier, gate=gate, diverted=n % 2 == 1, seats=5)
            for n, (carrier, gate) in enumerate(
                (
                    ("a|1", 1),
                    ("a", 1),
                    (r"a\|1", 1),
                    ("a\\", 1),
                    ("|", -1),
                    ("\\", -(2**31)),
                    ("||", 2**31 - 1),
                )
            )
        ),
    ),
    "numbers at the bound and beyond": timeline(
        *(
            at(n, delay=delay, seats=1)
            for n, delay in enumerate(
                (
                    *(float(BOUND), -float(BOUND), 1.0000001 * BOUND, -1.0000001 * BOUND, 1e308, -1e308),
                    *(nan, inf, -inf, 0.0000005, 0.0000015, -0.0000005, 5e-324, 0.1, 0.2, None),
                )
            )
        ),
        *(
            at(MINUTE + n, seats=seats)
            for n, seats in enumerate((BOUND, -BOUND, BOUND + 1, -BOUND - 1, 2**63 - 1, -(2**63)))
        ),
        at(30 * MINUTE, delay=1e-6, seats=1),
    ),
    "negative zeros": timeline(
        at(0, delay=-0.0, carrier="A"),
        at(0, delay=-0.0, carrier="B"),
        at(1, delay=0.0, carrier="B"),
        at(2, delay=-0.0, carrier="B", late=1),
        at(3, delay=-0.0000001, carrier="C"),  # its sum is rounded to zero
    ),
    "smallest and greatest leave before the others": timeline(
        *(at(n * 5 * MINUTE, delay=float((n * 7) % 13 - 6), seats=(n * 5) % 11) for n in range(30)),
        at(3 * HOUR, late=HOUR, delay=-100.0, seats=100),
        at(3 * HOUR + 1, late=2 * HOUR, delay=100.0, seats=-100),
    ),
    "a partition far behind": timeline(
        *(at(n * 10 * MINUTE, seats=n, partition=n % 2, behind=DAY * (n % 2), id=n // 2) for n in range(12)),
        at(2 * HOUR, seats=50, partition=2, late=HOUR),
    ),
    "a partition that sleeps": timeline(
        at(0, seats=1, partition=1, id=1),
        *(at(n * 40 * MINUTE, seats=n, partition=2 * (n % 2), id=n // 3) for n in range(9)),
    ),
    "append time that steps back": timeline(
        *(at(n * 20 * MINUTE, seats=n, behind=(n % 4) * 25 * MINUTE, partition=n % 3) for n in range(10)),
        *(at(4 * HOUR, seats=20 + n, behind=n * HOUR, late=MINUTE) for n in range(4)),
    ),
    "ticks between": timeline(
        at(0, seats=1, delay=20.0),
        *(at(edge + by, tick=True, partition=by % 3) for edge in EDGES for by in (-1, 0, 1)),
        at(90 * MINUTE, seats=4, partition=1, behind=HOUR),
    ),
    "ticks only": timeline(*(at(n * HOUR, tick=True, partition=n % 3) for n in range(6))),
}
