import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from augury.demo.summary import Summary, spell

GOOD = Summary(
    events_published=100,
    events_in_warehouse=100,
    parity_rows_compared=50,
    parity_mismatches=0,
    requests_http=7,
    requests_kafka=3,
    predictions_logged=10,
    served_vectors_audited=10,
    served_vector_mismatches=0,
    rows_used_ahead=0,
    labels_expected=8,
    labels_joined=8,
    holdout_auc=0.71,
    prior_auc=0.5,
    retraining_runs=1,
    evaluation_decision="reject",
)


def test_a_good_run_has_no_complaints() -> None:
    assert GOOD.complaints() == []
    won = replace(GOOD, evaluation_decision="promote", challenger_version=2)
    assert replace(won, canary="0.05, 0.25, promoted", champion_version_after=2).complaints() == []
    assert replace(won, champion_version_after=2).complaints() == []
    assert replace(won, canary="0.05, rolled back", champion_version_after=1).complaints() == []
    told = "version 2 has won its trial, and version 1 is champion"
    assert replace(won, champion_version_after=1).complaints() == [told]


@pytest.mark.parametrize(
    ("figures", "complaint"),
    [
        ({"parity_rows_compared": 0}, "parity compared no rows"),
        ({"served_vectors_audited": 0}, "no served vector was audited"),
        ({"parity_mismatches": 2}, "parity_mismatches is 2, and must be 0"),
        ({"served_vector_mismatches": 1}, "served_vector_mismatches is 1, and must be 0"),
        ({"rows_used_ahead": 4}, "4 rows used were of a later moment than asked"),
        ({"predictions_logged": 9}, "9 predictions are logged for 10 requests"),
        ({"requests_kafka": 4}, "10 predictions are logged for 11 requests"),
        ({"events_in_warehouse": 99}, "99 of 100 events are in the warehouse"),
        ({"labels_joined": 9}, "9 labels are joined, and 8 came in time"),
        ({"holdout_auc": 0.5}, "the model's AUC 0.5 does not beat the prior's 0.5"),
        ({"holdout_auc": None}, "the model's AUC None does not beat the prior's 0.5"),
        (
            {"experiments_recorded": 2, "experiments_in_warehouse": 1},
            "1 of 2 experiments are in the warehouse",
        ),
        ({"retraining_runs": 0}, "one alert set off 0 retrainings"),
        ({"retraining_runs": 2}, "one alert set off 2 retrainings"),
        ({"evaluation_decision": "continue"}, "the trial ended with 'continue'"),
        ({"canary": "0.05, 0.25"}, "the canary of version None has not ended: 0.05, 0.25"),
    ],
)
def test_a_figure_that_is_not_as_it_must_be_is_named(figures: dict[str, Any], complaint: str) -> None:
    assert replace(GOOD, **figures).complaints() == [complaint]


def test_what_was_not_measured_is_no_good_run() -> None:
    judged = [name for name, value in asdict(GOOD).items() if value is not None]
    for name in set(judged) - {"requests_http", "requests_kafka"}:
        assert len(replace(GOOD, **{name: None}).complaints()) == 1, name
    assert len(Summary().complaints()) == 11


def test_the_figures_are_written_and_shown(tmp_path: Path) -> None:
    GOOD.write(tmp_path / "summary.json")
    assert Summary(**json.loads((tmp_path / "summary.json").read_text())) == GOOD
    console = Console(record=True, width=100)
    with console.capture() as shown:
        console.print(GOOD.table())
    assert "0.710" in shown.get()
    assert [spell(v) for v in (1_234_567, 99.98765, 1234.5, None, "reject")] == [
        "1,234,567",
        "99.988",
        "1,234",
        "None",
        "reject",
    ]
