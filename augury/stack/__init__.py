"""The embedded stack: the real servers that Augury needs, run from one folder on loopback."""

from augury.stack.part import PartError, PartStatus
from augury.stack.stack import Stack

__all__ = ["PartError", "PartStatus", "Stack"]
