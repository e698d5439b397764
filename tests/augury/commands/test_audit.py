from dataclasses import replace

import pytest
from click.testing import Result
from typer.testing import CliRunner

from augury.cli import app
from augury.models import registry
from augury.settings import Settings
from features.compile import compile_group
from features.contracts import AppliedContract
from features.cutover import target_of
from tests.augury.served import END, answered
from tests.definitions import plain
from tests.warehouse.history import EVER, create
from warehouse.backfill import backfill
from warehouse.client import Client

pytestmark = pytest.mark.stack


def audited(*words: str) -> Result:
    return CliRunner().invoke(app, ["audit", "tried_project", *words])


def test_the_audit_says_what_differs_and_its_status_tells(served: Client) -> None:
    answered(served, 5.0)
    answered(served, 9.0, "another version", version=2)
    done = audited("late")
    assert done.exit_code == 0, done.output
    assert "late on plain.v1: 1 vectors audited, 0 differ, 1 of other group versions skipped" in done.output
    assert "1 rows used, 0 the newest" in " ".join(done.output.split())
    assert "120,000 ms (p50)" in " ".join(done.output.split())
    # the row of minute 6 was not there a minute later, that of minute 5 was within two
    stated = 'state serving_delay="60001ms": a training set then takes 1 of the 1 rows as they were served'
    assert stated in " ".join(done.output.split())

    answered(served, 6.0, "two")
    done = audited("late")
    assert done.exit_code == 1
    assert "2 vectors audited, 1 differ" in done.output
    (line,) = (line for line in done.output.splitlines() if "plain.count_1h" in line)
    assert [cell.strip() for cell in line.split("│")[1:-1]] == [
        *("plain.count_1h", "1", "50.00%", "value differs (1)")
    ]
    assert "1 vectors audited, 1 differ" in audited("late", "--sample", "1").output
    until = "2013-01-01T00:07:00"  # the moment of both requests, which the range leaves out
    done = audited("late", "--until", until)
    assert done.exit_code == 1
    assert "nothing was audited: late was asked nothing from 1970-01-01" in " ".join(done.output.split())


def test_vectors_with_rows_of_the_version_that_was_cut_over_to_are_audited_apart(served: Client) -> None:
    following = compile_group(replace(plain, version=2))
    create(served, following)
    backfill(served, following, EVER, END)
    contract = (following.name, 2, following.to_json(), following.contract_hash, 1_000)
    held = registry(Settings())
    held.cutovers.cut_over(1, target_of(AppliedContract(*contract)), by="a test", why="a test")
    held.close()
    answered(served, 5.0)
    answered(served, 5.0, "after the cut-over", version=2)
    done = audited("late")
    assert done.exit_code == 0, done.output
    for version in (1, 2):
        assert f"late on plain.v{version}: 1 vectors audited, 0 differ, 1 of other" in done.output
    answered(served, 9.0, "another", version=2)
    done = audited("late")
    assert done.exit_code == 1
    assert "late on plain.v2: 2 vectors audited, 1 differ" in done.output


@pytest.mark.parametrize(
    ("model", "said"), [("later", "nothing is called 'later'"), ("unread", "reads no group")]
)
def test_what_cannot_be_audited_is_named(served: Client, model: str, said: str) -> None:
    done = audited(model)
    assert done.exit_code == 2
    assert said in " ".join(done.output.replace("│", " ").split())
