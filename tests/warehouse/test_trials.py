"""Trials, as the warehouse knows them from the events that the log brought."""

import json
from dataclasses import asdict

from features.evaluation import EvaluationPolicy
from flows.ledger import Ledger
from flows.record import record
from flows.trial import judge
from inference.registry import Registry
from tests.definitions import late
from tests.flows.test_trial import LOSS, WIN, units
from tests.warehouse.test_champions import MODEL, register, registry, store
from warehouse.client import Client

__all__ = ["registry"]

POLICY = EvaluationPolicy(late, min_units=20, max_units=1_000)


def test_each_trial_has_the_decision_that_ended_it_and_all_that_it_rests_on(
    database: Client, registry: Registry
) -> None:
    registry.promote(MODEL, register(registry), by="ann", why="the first")
    for part, decide in ((LOSS, registry.reject), (WIN, registry.promote)):
        version = register(registry)
        registry.start_trial(
            MODEL, version, by="evaluation", why="registered", evidence={"plan": {"units_per_day": 7}}
        )
        verdict = judge(units(*[part] * 50), POLICY)
        evidence = record(POLICY, verdict, Ledger(labelled=50))
        decide(MODEL, version, by="evaluation", why=verdict.reason, evidence=evidence)
    registry.start_trial(MODEL, register(registry), by="evaluation", why="registered")
    store(database, registry)
    found = database.query(
        "SELECT version, decision, rule, units, estimate, ledger, policy, plan FROM trials ORDER BY position"
    ).result_rows
    assert [row[:3] for row in found] == [(2, "rejected", "worse"), (3, "promoted", "better"), (4, None, "")]
    assert [row[3] for row in found] == [judge(units(*[LOSS] * 50), POLICY).n_units, 20, None]
    assert [row[4] for row in found] == [0.0, 1.0, None]
    assert json.loads(found[1][5]) == asdict(Ledger(labelled=50))
    assert json.loads(found[1][6])["max_units"] == 1_000
    assert json.loads(found[0][7]) == {"units_per_day": 7}
