"""What a project states so that it can be shown: its past, as events, and when what happens."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from augury.replay import Event
from features.definitions import FeatureGroup, Model
from features.policies import DriftPolicy


@dataclass(frozen=True)
class Scenario:
    """A replay in two acts; moments are ms since the epoch.

    From `start` to `live_from` history fills the log; from there to `end` the same stream is live
    traffic, with requests and labels. The first model learns what the log held at `trained_at`. At `drift_at`
    the policy's group is compared with its training set.
    `prior_auc(rows, holdout_start)` scores, on the holdout, a model that knows no feature. The way of
    events to the online store is measured on the group `probe`.
    """

    model: Model
    drift: DriftPolicy
    start: int
    trained_at: int
    live_from: int
    drift_at: int
    end: int
    events: Callable[[int, int], list[Iterator[Event]]]
    requests: Callable[[int, int], Iterator[Event]]
    ground_truth: Callable[[int, int], Iterator[Event]]
    prior_auc: Callable[[pa.Table, int], float]
    probe: FeatureGroup
    http_share: float = 0.3
