"""What drift checks found: shades of features by windows, and the distributions that stand out."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from augury.options import utc
from augury.page import Markup, element, figure, page, table
from augury.reports.distributions import histogram, levels
from augury.reports.heat_map import heat_map
from augury.reports.lines import spark
from augury.reports.nothing import NothingToShowError
from augury.reports.scales import day, short
from warehouse.client import Client
from warehouse.reports import Distribution, DriftWindow, distributions, drift_windows

_SHADES = (0.02, 0.05, 0.1, 0.25, 0.5)
_MOST_SHADED, _MOST_DRAWN, _LEAST_DRAWN = 40, 12, 3


@dataclass(frozen=True)
class Feature:
    """A feature's windows, oldest first, and the bins of the one that stands out, where it does."""

    name: str
    windows: Sequence[DriftWindow]
    distribution: Distribution | None = None

    @property
    def newest(self) -> DriftWindow:
        """The last window."""
        return self.windows[-1]

    @property
    def drifted(self) -> int:
        """How many windows drifted."""
        return sum(w.drifted for w in self.windows)

    @property
    def worst(self) -> DriftWindow:
        """The window with the largest index, of those that drifted if any did, else of those with rows."""
        return max(self.windows, key=lambda w: (w.drifted, w.n > 0, w.psi))


@dataclass(frozen=True)
class Watch:
    """What one policy found; features that stand out come first. `rule` is what `drifted` went by."""

    policy: str
    rule: str
    classical: bool
    features: Sequence[Feature]


def read_drift(
    client: Client, policies: Sequence[Mapping[str, Any]], model: str, group: str, days: int
) -> list[Watch]:
    """Read what each policy found in the `days` up to its newest window.

    `policies` are the registry's rows of `drift_policy`. Raises `NothingToShowError`.
    """
    found: dict[str, list[DriftWindow]] = defaultdict(list)
    for window in drift_windows(client, model, group, days):
        found[window.policy].append(window)
    if not found:
        asked = " and ".join(filter(None, (model and f"model {model!r}", group and f"group {group!r}")))
        raise NothingToShowError(
            "drift checks", asked, "`augury drift MODULE` or the flow `drift` makes them"
        )
    rows = {_policy_name(row): row for row in policies}
    return [_watch(client, name, windows, rows.get(name)) for name, windows in found.items()]


def ranked(windows: Iterable[DriftWindow]) -> list[Feature]:
    """Give a policy's features with their windows, those that stand out first."""
    found: dict[str, list[DriftWindow]] = defaultdict(list)
    for window in windows:
        found[window.feature].append(window)
    features = [Feature(name, held) for name, held in found.items()]
    return sorted(features, key=lambda f: (-f.newest.drifted, -f.drifted, -f.worst.psi))


def drift_page(watches: Sequence[Watch]) -> str:
    """Draw the page."""
    ends = [feature.newest.window_end for watch in watches for feature in watch.features]
    parts = [element("p", f"The newest window ends at {utc(max(ends))}."), _summary(watches)]
    for watch in watches:
        parts += _section(watch)
    return page("Drift", parts)


def _policy_name(row: Mapping[str, Any]) -> str:
    subject = f"{row['group_name']}.v{row['group_version']}" if row["group_name"] else "outputs"
    return f"{subject}/{row['model_name']}"


def _watch(
    client: Client, policy: str, windows: Iterable[DriftWindow], row: Mapping[str, Any] | None
) -> Watch:
    features = ranked(windows)
    shown = max(_LEAST_DRAWN, min(_MOST_DRAWN, sum(f.drifted > 0 for f in features)))
    worst = {f.name: f.worst.window_end for f in features[:shown] if f.worst.n}
    bins = distributions(client, policy, worst)
    features = [Feature(f.name, f.windows, bins.get(f.name)) for f in features]
    return Watch(policy, _rule(features[0].newest.threshold, row), _is_classical(row), features)


def _is_classical(row: Mapping[str, Any] | None) -> bool:
    return row is not None and row["threshold"] is not None


def _rule(threshold: float, row: Mapping[str, Any] | None) -> str:
    if row is None:
        return (
            "The registry has no such policy: it is gone, or nobody stated it and the group was looked at "
            f"because harm could have set something off. Its limit was {short(threshold)}."
        )
    windows = (
        f"Windows of {row['window']} end each {row['every']}; under {row['min_rows']:,} rows none is judged."
    )
    if _is_classical(row):
        return (
            f"A feature has drifted where its PSI is above {short(threshold)}, a threshold: how often that "
            "alarms without drift follows from rows, bins and features. What looks broken in the newest "
            f"stretch of a window has drifted too, whatever its PSI. {windows}"
        )
    return (
        "False discoveries are controlled: a feature has drifted where its q value, the p value adjusted "
        f"over the features of its window (Benjamini and Hochberg), is at most {short(threshold)}. That "
        f"allows {row['false_alarms_per_month']:g} alerts in 30 days without drift. {windows}"
    )


def _summary(watches: Sequence[Watch]) -> Markup:
    rows = []
    for watch in watches:
        now = [f.name for f in watch.features if f.newest.drifted]
        newest = watch.features[0].newest
        named = ", ".join(now[:5]) + (f" and {len(now) - 5} more" if len(now) > 5 else "")
        counts = [f"{len(watch.features):,}", f"{newest.n:,}", f"{newest.n_reference:,}", f"{len(now):,}"]
        rows.append([watch.policy, *counts, named])
    return table(["policy", "features", "rows", "reference", "drifted now", "which"], rows)


def _section(watch: Watch) -> list[Markup]:
    parts = [element("h2", watch.policy), element("p", watch.rule)]
    shaded = len(watch.features[:_MOST_SHADED])
    among = (
        ""
        if shaded == len(watch.features)
        else f" The {shaded} of {len(watch.features)} that moved most; all are in the table."
    )
    parts.append(
        figure(
            shades(watch.policy, watch.features),
            f"PSI by the end of the window; a dot where the feature drifted.{among}",
        )
    )
    drawn = [f for f in watch.features if f.distribution is not None]
    if drawn:
        parts.append(element("h3", "Reference (grey) and window (blue)"))
        parts.append(element("div", *(_card(watch, f) for f in drawn), class_="cards"))
    parts.append(element("h3", "All features, in the newest window"))
    headings = ["feature", "method", "rows", "missing", "was", "PSI", Markup("PSI over time")]
    headings += ["effect", "p", "q", "drifted", "windows", "causes"]
    parts.append(table(headings, [_row(watch, f) for f in watch.features]))
    return parts


def shades(policy: str, of: Sequence[Feature]) -> Markup:
    """Draw the PSI of the features that moved most, window by window."""
    features = of[:_MOST_SHADED]
    ends = sorted({w.window_end for f in of for w in f.windows})
    told = f"PSI of {len(features)} features of {policy} in {len(ends)} windows"
    known = [{w.window_end: w for w in f.windows} for f in features]
    values = [[_index(w[end]) if end in w else None for end in ends] for w in known]
    marks = [[end in w and w[end].drifted for end in ends] for w in known]
    return heat_map([f.name for f in features], [day(end) for end in ends], values, marks, _SHADES, told)


def _card(watch: Watch, feature: Feature) -> Markup:
    held, worst = feature.distribution, feature.worst
    assert held is not None
    told = f"{feature.name}: reference and the window to {day(held.window_end)}"
    if held.edges or not held.levels:
        drawn = histogram(held.edges, held.reference_shares, held.shares, told)
    else:
        drawn = levels(held.levels, held.reference_shares, held.shares, told)
    facts = [f"to {day(held.window_end)}", f"PSI {short(worst.psi)}", f"q {short(worst.q_value)}"]
    courses = element(
        "tr",
        *(element("td", name, spark_) for name, spark_ in _sparks(watch, feature)),
    )
    return element(
        "div",
        element("h3", feature.name, class_="bad" if feature.newest.drifted else None),
        drawn,
        element("p", ", ".join([*facts, *worst.causes]), class_="quiet"),
        element("table", courses, class_="quiet"),
    )


def _sparks(watch: Watch, feature: Feature) -> list[tuple[str, Markup]]:
    limit = feature.newest.threshold
    evidence = [None if w.q_value is None else -math.log10(max(w.q_value, 1e-16)) for w in feature.windows]
    level = None if watch.classical or limit <= 0 else -math.log10(limit)
    return [
        ("PSI", _psi(watch, feature, 84)),
        ("−log₁₀ q", spark(evidence, f"evidence of drift of {feature.name}", level, 84)),
        (
            "effect",
            spark([w.effect_size for w in feature.windows], f"effect size of {feature.name}", None, 84),
        ),
    ]


def _psi(watch: Watch, feature: Feature, width: int) -> Markup:
    limit = feature.newest.threshold if watch.classical else None
    return spark([_index(w) for w in feature.windows], f"PSI of {feature.name}", limit, width)


def _index(window: DriftWindow) -> float | None:
    """Give a window's PSI; of no rows there is none."""
    return window.psi if window.n else None


def _row(watch: Watch, feature: Feature) -> list[str]:
    newest = feature.newest
    return [
        feature.name,
        newest.method,
        f"{newest.n:,}",
        f"{newest.missing_share:.1%}",
        f"{newest.missing_share_reference:.1%}",
        f"{newest.psi:.3f}" if newest.n else "",
        _psi(watch, feature, 110),
        *(short(value) for value in (newest.effect_size, newest.p_value, newest.q_value)),
        f"{feature.drifted:,}",
        f"{len(feature.windows):,}",
        ", ".join(newest.causes),
    ]
