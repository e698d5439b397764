import pytest

from features.expressions import Call, Literal, parse
from features.expressions.operations import CANONICAL
from features.expressions.python import evaluator
from features.types import DataType
from tests.expressions_table import COLUMNS, KNOWN, SHEETS, Known, exactly, operations_of


@pytest.mark.parametrize("known", KNOWN, ids=lambda k: f"{k.text} {k.row}")
def test_the_reference_gives_what_was_worked_out_by_hand(known: Known) -> None:
    evaluate = evaluator(parse(known.text, COLUMNS, "here", inexact=True))
    assert exactly(evaluate(known.row)) == exactly(known.expected)


def test_the_table_covers_every_operation() -> None:
    used = {op for sheet in SHEETS for e in sheet.expressions for op in operations_of(e)}
    assert used == CANONICAL.operations.keys()


def test_an_operation_that_is_not_listed_is_refused() -> None:
    with pytest.raises(KeyError, match="soundex"):
        evaluator(Call("soundex", (Literal("a", DataType.TEXT),), DataType.TEXT))


def test_a_case_stops_at_the_first_true_condition() -> None:
    text = "case when i > 0 then 'positive' when i > 1 then 'never' else 'none' end"
    assert evaluator(parse(text, COLUMNS, "here"))({"i": 5}) == "positive"
