"""How many false alarms drift checks raise: over the features of a window, and from window to window.

Within a window the features' p values are adjusted for the false discovery rate (Benjamini and Hochberg
1995). Over windows each has the same level, a policy's allowance for a month divided by its windows: the
expected number of alerts without drift is the sum of the windows' chances, whatever one window has to do
with another, so it stays within the allowance (a per-family error rate; Spjotvoll 1972). An online rule such
as LORD would bound the share of false alerts among all; but its level sinks the longer nothing drifts, and a
drift after a quiet year would be found late.
"""

from collections.abc import Sequence

from scipy.stats import false_discovery_control

from features.policies import MONTH_MS, DriftPolicy
from flows.divergence import psi_exceeded


def adjusted(p_values: Sequence[float]) -> list[float]:
    """Give the adjusted values q of a window's features, in order.

    The smallest is Simes's p value for "nothing drifts", so a window without drift has one at or below a
    level with at most that chance, where features are independent or positively dependent.
    """
    return [float(q) for q in false_discovery_control(p_values)] if len(p_values) else []


def false_alarms_per_month(policy: DriftPolicy, features: int, n_reference: int, n: int) -> float:
    """Give how many alerts of a policy to expect in 30 days without drift, at the most.

    Of the calibrated rule it is the policy's own allowance. Of a classical threshold it goes by the null
    distribution of PSI over so many features, for samples of so many rows; windows with no more alerts than
    there are features (a bound that independent features come close to while it is small). Where the newest
    stretch of a window is looked at by itself, what the calibrated rule allows to that is added.
    """
    if policy.threshold is None:
        return policy.false_alarms_per_month
    windows = MONTH_MS / policy.every_ms
    chance = psi_exceeded(policy.threshold, policy.resolution, n_reference, n)
    newest = policy.level if policy.newest_ms is not None else 0.0
    return windows * (1 - (1 - chance) ** features + newest)
