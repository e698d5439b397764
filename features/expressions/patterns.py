"""Patterns of texts: `LIKE`, and what reads as a number.

The regular expressions mean the same in Python, in Java and in RE2.
"""

import re

INTEGER = "[+-]?[0-9]{1,19}"
NUMBER = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,4})?"

_WELL_FORMED = re.compile(r"(?:\\[%_\\]|[^\\])*", re.DOTALL)
_PART = re.compile(r"\\(.)|([%_])|(.)", re.DOTALL)
_WILD = {"%": ".*", "_": "."}


def well_formed(pattern: str) -> bool:
    r"""Tell whether every `\` of a `LIKE` pattern stands before `%`, `_` or `\`."""
    return _WELL_FORMED.fullmatch(pattern) is not None


def regex(pattern: str) -> str:
    """Write a `LIKE` pattern as a regular expression of the whole text; `.` must match every character."""
    return _PART.sub(lambda part: _WILD[part[2]] if part[2] else re.escape(part[1] or part[3]), pattern)
