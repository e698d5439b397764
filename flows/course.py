"""The course of a trial: its evidence, its guards and segments and its sample ratio, after each unit."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.evaluation import SPLIT, EvaluationPolicy
from flows.eprocess import log_e_value
from flows.evidence import Evidence, asymptotic, primary
from flows.improvement import Array, Labelled, Running, improvement
from flows.ratio import log_ratio_evidence
from flows.units import Unit

MISMATCH_LIMIT = 0.02
"""The largest share of a trial's requests that may lack one of the two predictions, in shadow mode."""


@dataclass(frozen=True)
class Check:
    """A guard or a segment, which must be shown to be worse by less than `margin`.

    `judged` says after which labelled units it counts, `lower` and `upper` bound its improvement there.
    """

    name: str
    segment: bool
    margin: float
    judged: NDArray[np.bool_]
    estimate: Array
    lower: Array
    upper: Array


@dataclass(frozen=True)
class Course:
    """How a trial went.

    `evidence` and `checks` stand after each labelled unit; `places` are those units' places among all.
    `ratio` is the logarithm of the evidence, after each unit, that units do not go where they should.
    """

    labelled: Labelled
    places: NDArray[np.int64]
    evidence: Evidence
    checks: tuple[Check, ...]
    ratio: Array

    def discordant(self, threshold: float, used: int) -> tuple[int, int]:
        """Count the pairs among the first `used` that one alone had right: the challenger, the champion."""
        if self.labelled.assigned is not None:
            return 0, 0
        label = self.labelled.label[:used] >= 0.5
        old = (self.labelled.champion[:used] >= threshold) == label
        new = (self.labelled.challenger[:used] >= threshold) == label
        return int((new & ~old).sum()), int((old & ~new).sum())


def follow(units: Sequence[Unit], policy: EvaluationPolicy) -> Course:
    """Follow a trial by its units, which stand in order of assignment with their label windows closed.

    The first `max_units` labelled ones count.
    """
    counted = [i for i, u in enumerate(units) if u.answered and u.label is not None][: policy.max_units]
    labelled = _labelled([units[i] for i in counted], policy)
    always = np.ones(len(counted), dtype=np.bool_)
    checks = [
        _check(g.metric, False, g.margin, always, policy, improvement(g.metric, policy, labelled))
        for g in policy.guards
    ]
    for at, name in enumerate(policy.segments):
        values = np.array([units[i].segments[at] for i in counted], dtype=object)
        checks += [
            _segment(f"{name}={value}", policy, labelled, np.asarray(values == value))
            for value in sorted(set(values))
        ]
    places = np.array(counted, dtype=np.int64)
    return Course(labelled, places, primary(policy, labelled), tuple(checks), _ratio(units, policy))


def _labelled(units: Sequence[Unit], policy: EvaluationPolicy) -> Labelled:
    label = np.array([u.label for u in units], dtype=np.float64)
    if policy.mode == SPLIT:
        score = np.array([u.challenger if u.assigned else u.champion for u in units], dtype=np.float64)
        return Labelled(score, score, label, np.array([u.assigned for u in units], dtype=np.bool_))
    champion, challenger = ([u.champion for u in units], [u.challenger for u in units])
    return Labelled(np.array(champion, dtype=np.float64), np.array(challenger, dtype=np.float64), label)


def _segment(name: str, policy: EvaluationPolicy, labelled: Labelled, chosen: NDArray[np.bool_]) -> Check:
    part = labelled.take(chosen)
    running = improvement(policy.metric, policy, part).over(chosen)
    judged = np.append(0.0, part.least)[np.cumsum(chosen)] >= policy.min_units
    return _check(name, True, policy.segment_margin, judged, policy, running)


def _check(
    name: str,
    segment: bool,
    margin: float,
    judged: NDArray[np.bool_],
    policy: EvaluationPolicy,
    running: Running,
) -> Check:
    evidence = asymptotic(policy, running, name, -margin)
    return Check(name, segment, margin, judged, evidence.estimate, *evidence.bounds(slice(None)))


def _ratio(units: Sequence[Unit], policy: EvaluationPolicy) -> Array:
    """Weigh, after each unit, whether units go where they should.

    In shadow mode each is answered by both models, but for a share of `MISMATCH_LIMIT`. In split traffic the
    challenger has its share of the units, and of those that have an answer and a label.
    """
    if policy.mode == SPLIT:
        assigned = np.array([bool(u.assigned) for u in units], dtype=np.bool_)
        whole = np.array([u.answered and u.label is not None for u in units], dtype=np.bool_)
        sides = [
            log_ratio_evidence(np.cumsum(assigned & kept), np.cumsum(~assigned & kept), policy.share)
            for kept in (np.ones_like(whole), whole)
        ]
        return np.maximum(*sides)
    some = np.array([(u.champion is None) + (u.challenger is None) for u in units], dtype=np.int64)
    return log_e_value(np.cumsum(some == 1), np.cumsum(some == 0), MISMATCH_LIMIT)
