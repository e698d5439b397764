import io
import sys

import pytest
from rich.console import Console

from augury.tables import console, table

LONG = "late_arrival-asked-1358208000000-rerun-01234567"


def test_a_pipe_gets_each_row_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    written = io.StringIO()
    monkeypatch.setattr(sys, "stdout", written)
    shown = table("experiment", "of")
    shown.add_row(LONG, LONG)
    console().print(shown)
    assert any(line.count(LONG) == 2 for line in written.getvalue().splitlines())


def test_a_narrow_terminal_gets_all_of_a_cell() -> None:
    shown = table("experiment", "kind", "of")
    shown.add_row(LONG, "rerun", LONG)
    narrow = Console(width=40, file=io.StringIO(), record=True)
    narrow.print(shown)
    cells = [line.split("│") for line in narrow.export_text().splitlines() if line.startswith("│")]
    assert ["".join(line[place].strip() for line in cells) for place in (1, 3)] == [LONG, LONG]
