"""Functions that are written in the dialect itself, so that no engine has to know them.

`{...}` are constants, put in before the text is parsed; names are columns, which the arguments replace.
"""

from math import pi

SIGN = "case when x > 0 then 1 when x < 0 then -1 when x = 0 then 0 end"

ROUND = "case when abs(x) < 4503599627370496.0 then round(x * {scale}) / {scale} else x end"
"""Half to even, of x times a power of ten; from 2^52 on a double is whole."""

_DAY = 86_400_000
_TRUNCATED = "cast(cast(t as bigint) - (cast(t as bigint) % {0} + {0}) % {0}{1} as timestamp)"
TRUNCATIONS = {
    "second": _TRUNCATED.format(1_000, ""),
    "minute": _TRUNCATED.format(60_000, ""),
    "hour": _TRUNCATED.format(3_600_000, ""),
    "day": _TRUNCATED.format(_DAY, ""),
    "week": _TRUNCATED.format(_DAY, f" - (extract(dow from t) + 6) % 7 * {_DAY}"),  # Monday is the first
    "month": _TRUNCATED.format(_DAY, f" - (extract(day from t) - 1) * {_DAY}"),
    "year": _TRUNCATED.format(_DAY, f" - (extract(doy from t) - 1) * {_DAY}"),
}

EARTH_RADIUS = 6_371_008.8
"""Metres: the mean radius R1 of GRS 80 (H. Moritz, "Geodetic Reference System 1980", J. Geodesy 74, 2000)."""

_HALF_DEGREE = repr(pi / 360)  # radians
_DEGREE = repr(pi / 180)
_COSINES = f"cos(lat1 * {_DEGREE}) * cos(lat2 * {_DEGREE})"


def _square(text: str) -> str:
    return f"{text} * {text}"


_NEAR = _square(f"sin((lat2 - lat1) * {_HALF_DEGREE})")
_NEAR += f" + {_COSINES} * {_square(f'sin((lon2 - lon1) * {_HALF_DEGREE})')}"
_FAR = _square(f"sin((lat2 + lat1) * {_HALF_DEGREE})")
_FAR += f" + {_COSINES} * {_square(f'cos((lon2 - lon1) * {_HALF_DEGREE})')}"
_ON_EARTH = "lat1 between -90 and 90 and lat2 between -90 and 90"
HAVERSINE = f"case when {_ON_EARTH} then {2 * EARTH_RADIUS!r} * atan2(sqrt({_NEAR}), sqrt({_FAR})) end"
"""Metres on a sphere between two points in degrees; NULL for a latitude beyond the poles.

The formula is that of R. W. Sinnott, "Virtues of the Haversine", Sky and Telescope 68 (1984), 159. One less
the haversine is written out as a sum, so that nothing cancels near the antipodes.
"""
