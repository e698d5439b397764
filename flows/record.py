"""The record of a trial: what a decision rests on, as the registry and the warehouse keep it."""

import math
from dataclasses import asdict, fields
from typing import Any

from features.evaluation import EvaluationPolicy
from flows.ledger import Ledger
from flows.trial import Verdict


def record(policy: EvaluationPolicy, verdict: Verdict, ledger: Ledger) -> dict[str, Any]:
    """Give the evidence of a decision: its numbers, the ledger of its units, and the policy as it was."""
    stated = {f.name: getattr(policy, f.name) for f in fields(policy) if f.name != "model"}
    stated |= {
        "method": policy.weighed_by,
        "threshold": policy.decision_threshold,
        "guards": {g.metric: g.margin for g in policy.guards},
        "sprt": None if policy.sprt is None else asdict(policy.sprt),
        "horizon_ms": policy.horizon_ms,
    }
    numbers = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value  # JSON has no infinity
        for name, value in asdict(verdict).items()
    }
    return {**numbers, "ledger": asdict(ledger), "policy": stated}
