"""Values out of records, spelled for a person."""

from collections.abc import Mapping, Sequence

from augury.options import utc

_TIMES = ("since", "until", "at")
_ENDINGS = ("_since", "_until", "_at", "_start", "_end", "_from", "_to")


def spelled(name: str, value: object) -> str:
    """Write a value of a record by its name: a time as UTC, a count whole, a number to four digits.

    Values within others stand as `name value` pairs. Nothing is written for None.
    """
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return _number(name, value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {spelled(str(key), held)}".rstrip() for key, held in value.items())
    if isinstance(value, Sequence):
        return "; ".join(spelled(name, held) for held in value)
    return str(value)


def _number(name: str, value: float) -> str:
    # Times are ms since the epoch, some of them kept as floats; from 2001 on they have thirteen digits.
    if 1e12 <= value < 1e13 and (name in _TIMES or name.endswith(_ENDINGS)):
        return utc(round(value))
    whole = isinstance(value, int) or (value.is_integer() and abs(value) < 1e15)
    return f"{value:,.0f}" if whole else f"{value:.4g}"
