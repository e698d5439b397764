"""One small typed SQL dialect, compiled to Python here and to each engine's SQL where that engine lives."""

from features.expressions.parse import parse
from features.expressions.tree import Call, Column, Expression, Literal

__all__ = ["Call", "Column", "Expression", "Literal", "parse"]
