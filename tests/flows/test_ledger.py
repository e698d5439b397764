from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.policies import EvaluationPolicy
from flows.ledger import Ledger, settle
from flows.units import Assignment, Report, Unit
from tests.definitions import late

DAY = 86_400_000
ASKED = 100 * DAY
CLOSES = ASKED + DAY
POLICY = EvaluationPolicy(late, horizon="1d")


def asked(*reports: tuple[int, float], at: int = ASKED) -> Assignment:
    """A request, and what was reported so many ms after it."""
    said = tuple(Report(at + after, at, label) for after, label in sorted(reports))
    return Assignment("A", at, Unit("r", 0.1, 0.9, None), said)


@pytest.mark.parametrize(
    ("reports", "label", "counts"),
    [
        (((5, 1.0),), 1.0, {"labelled": 1}),
        (((DAY, 1.0),), 1.0, {"labelled": 1}),
        (((DAY + 1, 1.0),), None, {"missing": 1, "late": 1}),
        ((), None, {"missing": 1}),
        (((5, 1.0), (6, 0.0)), 0.0, {"labelled": 1, "corrected": 1}),
        (((5, 1.0), (6, 1.0)), 1.0, {"labelled": 1}),
        (((5, 1.0), (DAY + 1, 0.0)), 1.0, {"labelled": 1, "corrected_late": 1}),
        (((5, 1.0), (DAY + 1, 1.0)), 1.0, {"labelled": 1}),
    ],
)
def test_each_label_is_dealt_with_by_its_rule(
    reports: tuple[tuple[int, float], ...], label: float | None, counts: dict[str, int]
) -> None:
    units, ledger = settle([asked(*reports)], POLICY, CLOSES + 10 * DAY)
    assert [u.label for u in units] == [label]
    assert ledger == Ledger(ASKED, ASKED, closed=1, **counts)


def test_a_missing_label_may_stand_for_an_outcome() -> None:
    units, ledger = settle([asked(), asked((DAY + 1, 1.0))], replace(POLICY, missing=0.0), CLOSES)
    assert [u.label for u in units] == [0.0, 0.0]
    assert (ledger.missing, ledger.labelled) == (2, 0)


def test_what_came_true_before_the_request_is_no_label_of_it() -> None:
    before = Assignment("A", ASKED, Unit("r", 0.1, 0.9, None), (Report(ASKED + 5, ASKED - 1, 1.0),))
    assert settle([before], POLICY, CLOSES)[0][0].label is None


def test_units_wait_for_their_windows_and_those_without_an_answer_are_told() -> None:
    unanswered = replace(asked((1, 1.0)), answers=Unit("r", 0.1, None, None))
    units, ledger = settle([unanswered, asked((1, 1.0), at=ASKED + 1)], POLICY, CLOSES)
    assert [u.answered for u in units] == [False]
    assert ledger == Ledger(ASKED, ASKED + 1, open=1, closed=1, unanswered=1, labelled=1)


_REPORTS = st.lists(st.tuples(st.integers(0, 3 * DAY), st.sampled_from([0.0, 1.0])), max_size=5)


@given(st.lists(st.tuples(st.integers(0, 2 * DAY), _REPORTS), max_size=8), st.integers(0, 5 * DAY))
def test_a_later_look_never_changes_what_is_settled(
    trial: list[tuple[int, list[tuple[int, float]]]], look: int
) -> None:
    whole = [asked(*reports, at=ASKED + after) for after, reports in sorted(trial)]
    until = ASKED + look
    known = [
        replace(a, reports=tuple(r for r in a.reports if r.arrived <= until))
        for a in whole
        if a.requested <= until
    ]
    early, _ = settle(known, POLICY, until)
    final, ledger = settle(whole, POLICY, ASKED + 10 * DAY)
    assert final[: len(early)] == early
    assert ledger.closed == len(final) == ledger.labelled + ledger.missing
