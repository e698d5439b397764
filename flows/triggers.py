"""Which event sets off which flow run, under which key: pure, and the same after every restart."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from features.alerts import BROKEN, ESTIMATED
from features.policies import DriftPolicy, EvaluationPolicy, MonitoringPolicy
from features.windows import floor, milliseconds
from flows.causes import spoilt

RETRAINING = "retraining"
"""Who registers the models that go on trial by themselves."""
EVALUATION = "evaluation"
"""Who ends trials by themselves, and then starts the next one itself."""
_ENDS = {"promoted", "rejected", "rolled_back"}
_DAY_MS = 86_400_000
RETRAIN, START_TRIAL, EVALUATE, TUNE = "retrain", "start-trial", "evaluate", "tune"
FALL_BACK, FREEZE = "fall-back", "freeze"
"""The flows' names."""


class UnknownPolicyError(LookupError):
    """An alert names a policy that the project does not have."""


@dataclass(frozen=True)
class Trigger:
    """A flow run to ask for. Two triggers with one flow and `key` are one run."""

    flow: str
    key: str
    parameters: dict[str, Any]


class Triggers:
    """The rules of a project: its policies of drift, of evaluation and of monitoring."""

    def __init__(
        self,
        drift: Iterable[DriftPolicy],
        evaluation: Iterable[EvaluationPolicy],
        monitoring: Iterable[MonitoringPolicy] = (),
    ) -> None:
        self._monitoring = {p.name: p for p in monitoring}
        self._drift = {p.name: p for p in drift}
        self._debounce = {
            name: milliseconds(p.debounce, f"drift policy {name}") for name, p in self._drift.items()
        }
        self._look_every = {p.model.name: p.look_every_ms for p in evaluation}

    @property
    def judged(self) -> Iterable[str]:
        """The models that have an evaluation policy."""
        return self._look_every

    def on_alert(self, alert: Mapping[str, Any]) -> Trigger | None:
        """Give what an `alert` record of drift or of performance sets off.

        Alerts of one policy whose `at` lies in one `debounce` bucket are one trigger: the key is the
        bucket, so an alert that is written twice is one too. On drift that looks like a broken pipeline
        nothing is retrained; what looks broken is frozen where the policy says so. Raises
        `UnknownPolicyError`.
        """
        if alert["kind"] == "performance":
            return self._on_harm(alert)
        if alert["kind"] != "drift":
            return None
        policy = self._drift.get(alert["policy"])
        if policy is None:
            raise UnknownPolicyError(
                f"a drift alert names a policy of the project ({', '.join(self._drift) or 'it has none'}); "
                f"nothing says what follows from {alert['policy']!r}"
            )
        evidence, bucket = json.loads(alert["evidence"]), self._debounce[policy.name]
        if evidence.get("looks_like") == BROKEN:
            return _freezing(alert, evidence, policy, bucket)
        return _retraining(alert, policy.model.name, _key(alert, bucket)) if policy.retrain else None

    def _on_harm(self, alert: Mapping[str, Any]) -> Trigger | None:
        """Give what harm sets off: once a model in each bucket of a day, nothing on a broken pipeline."""
        policy = self._monitoring.get(alert["policy"])
        if policy is None:
            raise UnknownPolicyError(
                f"an alert of performance names a policy of the project "
                f"({', '.join(self._monitoring) or 'it has none'}); nothing says what follows from "
                f"{alert['policy']!r}"
            )
        evidence = json.loads(alert["evidence"])
        action = policy.on_estimated if evidence.get("harm") == [ESTIMATED] else policy.on_harm
        if action == "tell" or evidence.get("looks_like") == BROKEN:
            return None
        bucket = -(-_DAY_MS // policy.actions_per_day)
        # Of all policies of a model: one harm shows in several metrics, and is answered once.
        key = f"harm/{policy.model.name}/{floor(alert['at'], bucket)}"
        if action == "retrain":
            return _retraining(alert, policy.model.name, key)
        return Trigger(
            FALL_BACK,
            key,
            {
                "model_name": policy.model.name,
                "version": evidence["model_version"],
                "alert_id": alert["alert_id"],
                "policy": alert["policy"],
            },
        )

    def on_registry_event(self, event: Mapping[str, Any]) -> Trigger | None:
        """Give the trial that a `registry_event` record sets off.

        It is of what retraining has registered; or, where somebody has ended a trial by hand, of the
        version that waits.
        """
        model_name, version = event["model_name"], event["version"]
        if event["kind"] == "registered" and event["by"] == RETRAINING:
            return Trigger(
                START_TRIAL, f"{model_name}/v{version}", {"model_name": model_name, "version": version}
            )
        if event["kind"] in _ENDS and event["by"] != EVALUATION:
            key = f"{model_name}/{event['event_id']}"
            return Trigger(START_TRIAL, key, {"model_name": model_name, "version": None})
        return None

    def look(self, model_name: str, clock: int) -> int | None:
        """Give the newest moment (ms) up to `clock` at which trials of the model are looked at, if any."""
        every = self._look_every.get(model_name)
        return None if every is None else floor(clock, every)


def _key(alert: Mapping[str, Any], bucket_ms: int) -> str:
    """Give what alerts of one policy in one stretch of time have in common."""
    return f"{alert['policy']}/{floor(alert['at'], bucket_ms)}"


def _retraining(alert: Mapping[str, Any], model_name: str, key: str) -> Trigger:
    return Trigger(
        RETRAIN,
        key,
        {
            "model_name": model_name,
            "alert_id": alert["alert_id"],
            "policy": alert["policy"],
            "at": alert["at"],
        },
    )


def _freezing(
    alert: Mapping[str, Any], evidence: Mapping[str, Any], policy: DriftPolicy, bucket_ms: int
) -> Trigger | None:
    """Freeze what looks broken for all entities, where the policy says so.

    A feature that was frozen in the window stays out: what was thawed since is not frozen anew by what was
    before.
    """
    if policy.on_broken != "freeze" or policy.group is None:
        return None
    names = (policy.vector_name(f["feature"]) for f in evidence["features"] if spoilt(f["causes"]))
    features = [name for name in names if name not in evidence.get("frozen", ())]
    if not features:
        return None
    named = hashlib.sha256("\n".join(sorted(features)).encode()).hexdigest()[:12]
    return Trigger(
        FREEZE,
        f"{_key(alert, bucket_ms)}/{named}",  # what breaks within the same bucket is frozen too
        {
            "model_name": policy.model.name,
            "features": features,
            "alert_id": alert["alert_id"],
            "policy": alert["policy"],
        },
    )


def evaluation(model_name: str, version: int, until: int) -> Trigger:
    """Give the look at the trial of a version with what the log held at `until` (ms)."""
    return Trigger(
        EVALUATE,
        f"{model_name}/v{version}/{until}",
        {"model_name": model_name, "version": version, "until": until},
    )
