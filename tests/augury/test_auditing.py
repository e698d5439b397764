from dataclasses import replace

import pytest

from augury.auditing import Auditor, BehindError
from features.compile import compile_group
from features.contracts import AppliedContract
from features.cutover import target_of
from features.project import load_project
from tests.augury.served import END, answered, plan
from tests.features.logs import START
from tests.warehouse.history import create
from warehouse.audit import Audit, Cause, Difference
from warehouse.client import Client

pytestmark = pytest.mark.stack
WRONG = Audit(2, 1, (Difference("plain.count_1h", Cause.VALUE, 1),), 0)
COLUMNS = (
    "audit_id, toUnixTimestamp64Milli(until), sample, vectors, mismatches, "
    "differences.feature, differences.cause, differences.vectors, rows, serving_delay_ms, agreeing"
)


def test_an_audit_computes_rows_anew_and_is_kept_once_for_its_id(served: Client) -> None:
    auditor = Auditor(served, load_project("tried_project"))
    served.command(f"TRUNCATE TABLE {plan().backfill_table}")
    answered(served, 5.0)
    answered(served, 6.0, "two")
    assert auditor("all of it", "late", START, END, None) == WRONG
    answered(served, 5.0, "two", version=2)  # now nothing is said of it
    found = [auditor("all of it", "late", START, END, None), auditor("one", "late", START, END, 1)]
    assert found == [Audit(1, 0, (), 1), Audit(1, 0, (), 1)]
    kept = served.query(f"SELECT {COLUMNS} FROM served_vector_audit FINAL ORDER BY audit_id").result_rows
    assert kept == [
        ("all of it", END, None, 1, 0, [], [], [], 1, 60_001, 1),
        ("one", END, 1, 1, 0, [], [], [], 1, 60_001, 1),
    ]


def test_what_differs_is_kept_with_its_cause(served: Client) -> None:
    answered(served, 5.0)
    answered(served, 6.0, "two")
    Auditor(served, load_project("tried_project"))("all", "late", START, END, None)
    (kept,) = served.query(f"SELECT {COLUMNS} FROM served_vector_audit FINAL").result_rows
    assert kept == ("all", END, None, 2, 1, ["plain.count_1h"], ["value differs"], [1], 2, 60_001, 2)


def test_vectors_of_the_version_that_was_cut_over_to_are_audited_too(served: Client) -> None:
    project = load_project("tried_project")
    following = replace(project.groups[0], version=2)
    create(served, compile_group(following))
    compiled = compile_group(following)
    contract = AppliedContract("plain", 2, compiled.to_json(), compiled.contract_hash, 1_000)
    routes = {("plain", 1): target_of(contract)}
    auditor = Auditor(served, replace(project, groups=(*project.groups, following)), routes=lambda: routes)
    answered(served, 5.0)
    answered(served, 5.0, "after", version=2)
    answered(served, 6.0, "wrong", version=2)
    answered(served, 6.0, "neither", version=3)
    assert auditor("all", "late", START, END, None) == Audit(
        3, 1, (Difference("plain.count_1h", Cause.VALUE, 1),), 1
    )
    kept = served.query("SELECT audit_id, vectors FROM served_vector_audit FINAL ORDER BY 1").result_rows
    assert kept == [("all", 1), ("all on plain.v2", 2)]
    without = Auditor(served, project, routes=lambda: routes)
    with pytest.raises(LookupError, match=r"it has no plain\.v2"):
        without("again", "late", START, END, None)


def test_what_cannot_be_audited_is_refused(served: Client) -> None:
    auditor = Auditor(served, load_project("tried_project"))
    with pytest.raises(BehindError, match=f"rows up to {END + 1} ms would miss events"):
        auditor("later", "late", START, END + 1, None)
    with pytest.raises(LookupError, match="unread reads no group"):
        auditor("none", "unread", START, END, None)
    assert served.query("SELECT count() FROM served_vector_audit").result_rows == [(0,)]
