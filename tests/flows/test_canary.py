import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from features import CanaryPolicy, DriftPolicy
from features.project import collect
from flows.canary import NAME, canary, intervals
from flows.context import configure
from flows.evaluate import evaluate, start_trial
from flows.rollout import look_at
from inference.registry import ModelStatus, ServingConfig
from tests.flows.drifting import MODEL, OUTPUTS, History
from tests.flows.test_trial import WIN
from tests.flows.world import NOW, World
from tests.warehouse.traffic import answered, came_true

HOLD, DAY = 10_000, 86_400_000
PAST = 3_000 * DAY
"""How far a replay's requests lie behind the wall clock."""


def test_it_runs_at_each_look_of_the_policy_that_looks_the_most() -> None:
    hourly = CanaryPolicy(MODEL)
    assert intervals([OUTPUTS, hourly, replace(hourly, hold="10m")]) == {NAME: 60_000}
    assert intervals([DriftPolicy(None, MODEL)]) == {}


class Shop:
    """A world whose challenger has won its trial, and a warehouse that its answers are written to."""

    def __init__(self, folder: Path, history: History) -> None:
        self.world, self.client = World(folder), history.client
        model = self.world.project.models[0]
        self.policy = CanaryPolicy(model, steps=(0.1, 0.5), hold="10s", min_requests=50)
        module = ModuleType("trips")
        policies = {f"p{i}": p for i, p in enumerate(self.world.project.policies)}
        groups = {f"g{i}": g for i, g in enumerate(self.world.project.groups)}
        vars(module).update(model=model, canary=self.policy, **policies, **groups)
        self.context = replace(
            self.world.context,
            project=collect(module),
            look_at_canary=partial(look_at, self.client, lambda: NOW + 10 * DAY),
        )
        configure(self.context)
        self.registry, self.random = self.world.registry, np.random.default_rng(3)
        self.first = self.world.crown()
        self.second = self.world.register("second")
        start_trial("punctual", self.second)
        self.world.units = [(f"r{i}", *WIN) for i in range(40)]
        self.begun = evaluate("punctual", self.second, NOW)

    def serve(self, *, errors: float = 0.0, slower: float = 1.0, until: int = HOLD) -> None:
        """Answer 40 requests a second, half of them by the challenger, from the step's begin on."""
        on = self.registry.canaries.on("punctual")
        assert on is not None
        at = range(on.since, on.since + until + 1, 50)
        for version, variant, rate, times in (
            (self.first, "champion", 0.0, 1.0),
            (self.second, "challenger", errors, slower),
        ):
            latencies = (self.random.lognormal(0, 0.5, len(at)) * times).tolist()
            failed = (self.random.random(len(at)) < rate).tolist()
            answered(self.client, "punctual", version, variant, at, latencies, failed)

    def replay(self) -> None:
        """Answer as in a replay, with requests of long ago and a few that bring another time."""
        on = self.registry.canaries.on("punctual")
        assert on is not None
        asked = range(on.since - PAST, on.since - PAST + HOLD + 1, 50)
        for version, variant in ((self.first, "champion"), (self.second, "challenger")):
            for at in (asked, [on.since, 5]):
                answered(
                    self.client,
                    "punctual",
                    version,
                    variant,
                    at,
                    [1.0] * len(at),
                    [False] * len(at),
                    given=on.since,
                )

    def served_by(self) -> ServingConfig:
        return self.registry.serving_config("punctual")


@pytest.fixture
def shop(tmp_path: Path, stack: Any, history: History) -> Iterator[Shop]:
    with temporary_settings({PREFECT_API_URL: stack.settings.prefect_api_url}):
        yield Shop(tmp_path, history)


@pytest.mark.stack
def test_a_healthy_challenger_is_promoted_by_steps(shop: Shop) -> None:
    assert shop.begun == "begins a canary with a share of 0.1"
    assert shop.served_by() == ServingConfig("punctual", shop.second, 0.1, canary=True)
    assert "no look is due" in canary()["punctual"]
    shop.serve(until=HOLD // 2)
    assert "holds" in canary()["punctual"]
    assert shop.served_by().challenger_share == 0.1
    shop.serve()
    assert "has a share of 0.5 now" in canary("punctual")["punctual"]
    assert shop.served_by() == ServingConfig("punctual", shop.second, 0.5, canary=True)
    champion = shop.registry.champion("punctual")
    assert champion is not None
    assert champion.version == shop.first
    shop.serve()
    assert "promoted" in canary()["punctual"]
    assert shop.served_by() == ServingConfig("punctual")
    champion = shop.registry.champion("punctual")
    assert champion is not None
    assert champion.version == shop.second
    assert canary() == {"punctual": "no canary is on"}
    assert shop.world.alerts == []
    assert [e for e in shop.world.published if e.endswith(f" {shop.second}")][-3:] == [
        f"canary_started {shop.second}",
        f"canary_grew {shop.second}",
        f"promoted {shop.second}",
    ]
    with pytest.raises(LookupError, match="'other' has none"):
        canary("other")


@pytest.mark.stack
def test_a_replay_s_canary_is_not_hastened_by_a_request_of_another_time(
    shop: Shop,
) -> None:
    clock = NOW - PAST + HOLD // 2
    look = partial(look_at, shop.client, lambda: clock)
    configure(replace(shop.context, look_at_canary=look))
    answered(shop.client, "punctual", shop.first, "champion", [NOW - PAST], [1.0], [False], given=NOW - 1)
    shop.replay()
    assert "holds" in canary()["punctual"]
    clock += HOLD
    assert "has a share of 0.5 now" in canary()["punctual"]
    event = shop.registry.history.events("punctual")[-1]
    assert event.evidence is not None
    told = json.loads(event.evidence)
    assert (told["number"], told["traffic"]["begun"]) == (10, NOW - PAST)
    assert told["traffic"]["challenger"]["requests"] == 200


@pytest.mark.stack
@pytest.mark.parametrize(
    ("errors", "slower", "said"), [(0.3, 1.0, "answers are errors"), (0.0, 4.0, "percentile of latency")]
)
def test_one_that_errs_or_is_slow_is_rolled_back(shop: Shop, errors: float, slower: float, said: str) -> None:
    since = shop.registry.canaries.on("punctual")
    shop.serve(errors=errors, slower=slower, until=HOLD // 2)
    assert "rolled back" in canary()["punctual"]
    assert shop.served_by() == ServingConfig("punctual")
    assert shop.registry.get("punctual", shop.second).status is ModelStatus.REJECTED
    champion = shop.registry.champion("punctual")
    assert champion is not None
    assert champion.version == shop.first
    event = shop.registry.history.events("punctual")[-1]
    assert (event.kind, event.by, event.version) == ("rejected", NAME, shop.second)
    assert said in event.why
    assert event.evidence is not None
    assert json.loads(event.evidence)["traffic"]["challenger"]["requests"] > 50
    (alert,) = shop.world.alerts
    assert since is not None
    assert alert["alert_id"] == f"canary/punctual/v{shop.second}/{since.since}"
    assert alert["playbook"] == "docs/playbooks/canary.md"
    evidence = json.loads(alert["evidence"])
    assert (evidence["window_start"], evidence["alpha"]) == (since.since, 0.01)
    assert canary() == {"punctual": "no canary is on"}


@pytest.mark.stack
def test_one_whose_predictions_are_worse_is_rolled_back_by_its_labels(shop: Shop) -> None:
    on = shop.registry.canaries.on("punctual")
    assert on is not None
    day = 86_400_000
    at = range(on.since, on.since + 300)
    for version, variant, score in ((shop.first, "champion", 0.9), (shop.second, "challenger", 0.1)):
        answered(shop.client, "punctual", version, variant, at, [1.0] * 300, [False] * 300, prediction=score)
        asked = [f"{variant}.{version}/{moment}/{i}" for i, moment in enumerate(at)]
        came_true(shop.client, "punctual", asked[:280], 1.0, on.since + 1_000)
        came_true(shop.client, "punctual", asked[280:], 0.0, on.since + 1_000)
    late = [on.since + day + 2_000]
    answered(shop.client, "punctual", shop.first, "champion", late, [1.0], [False])
    assert "rolled back: at a share of 0.1: it is worse by" in canary()["punctual"]


@pytest.mark.stack
def test_a_look_that_died_behind_its_alert_is_made_again_under_the_same_alert(shop: Shop) -> None:
    def die(alert: Mapping[str, Any]) -> None:
        shop.world.alerts.append(alert)
        raise LookupError("killed")  # what no step tries again

    shop.serve(errors=0.3)
    configure(replace(shop.context, alert=die))
    with pytest.raises(LookupError, match="killed"):
        canary()
    assert shop.served_by().challenger_version == shop.second
    configure(shop.context)
    assert "rolled back" in canary()["punctual"]
    first, again = shop.world.alerts
    assert first == again
    assert shop.served_by() == ServingConfig("punctual")
