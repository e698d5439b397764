"""A project of one group, its log, and answers that used one of its rows."""

from collections.abc import Mapping
from typing import Any

from augury.models import registry
from augury.settings import Settings
from features.plan import GroupPlan
from features.project import load_project
from features.reference import rows
from tests.features.logs import MINUTE, START, Step, log
from tests.registered import register
from tests.warehouse.answers import answer, publish
from warehouse.client import Client

PROJECT = """
from dataclasses import replace
from tests.definitions import carrier, late as model, plain as only
late = replace(model, entities=[carrier], features=[only["count_1h"]], inputs={}, on_demand={})
only_on_demand = replace(model, name="unread", features=[])
del model
"""
LOG = log([Step(gap=MINUTE)] * 10)
END = START + 10 * MINUTE


def plan() -> GroupPlan:
    """Give the group."""
    return load_project("tried_project").group_plans["plain.v1"]


def answered(client: Client, value: float, key: str = "one", version: int = 1) -> None:
    """Log an answer to a request at minute 7, which used the row of minute 5."""
    held = rows(plan(), LOG, END)[4]
    model = load_project("tried_project").model_plans["late"]
    given = answer(model, key, START + 7 * MINUTE, {"carrier": "A"}, {}, {"plain": held})
    given["feature_values_used"] = {"plain.count_1h": value}
    given["rows"][0]["version"] = version
    publish(client, [given])


def passed(client: Client, day: str) -> None:
    """Let the log's clock stand at the beginning of a day (ISO 8601)."""
    client.command(
        "INSERT INTO log_clock (topic, partition, log_time) "
        "SELECT topic, partition, toDateTime64({day:String}, 3, 'UTC') FROM log_clock "
        "GROUP BY topic, partition",
        parameters={"day": day},
    )


def crowned(experiment: str, signature: Mapping[str, Any] | None = None) -> None:
    """Make a version of an experiment the champion of `late`, in the registry of the settings."""
    held = registry(Settings())
    who = {"by": "a test", "why": "a test"}
    held.promote("late", register(held, "late", signature or {}, **who, experiment=experiment), **who)
    held.close()
