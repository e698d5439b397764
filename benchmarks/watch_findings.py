"""What the watch said of each stretch of the log's time, and what followed: judged from what was stored."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from benchmarks.common import Result
from examples.flights.faults import Fault
from features.alerts import BROKEN, CHANGED
from flows.performance import PERFORMANCE
from warehouse.client import Client

_HOUR, _NAMED = 3_600_000, 3
DRIFT = "drift"  # the kind of its alerts


@dataclass(frozen=True)
class Stretch:
    """A part of the log's time, [since, until) in ms, and what the watch has to say of it.

    `cause` is how the cause begins that an alert of `kind` has to name, on `subject`; nothing where it has to
    be silent. `retrainings` is how many have to follow, `freezes` whether features are frozen at their
    defaults, and `becomes` what has to happen to a version that they register.
    """

    name: str
    since: int
    until: int
    subject: str = ""
    cause: str = ""
    fault: Fault | None = None
    retrainings: int = 0
    freezes: bool = False
    kind: str = DRIFT
    becomes: str = ""

    @property
    def begins(self) -> int:
        """When what is to be noticed begins."""
        return self.since if self.fault is None else self.fault.since

    @property
    def ends(self) -> int:
        """When it is over."""
        return self.until if self.fault is None else self.fault.until

    def about(self, alert: "Told") -> bool:
        """Tell whether an alert is of what has to be noticed, whatever it takes that for."""
        return (alert.kind, alert.subject) == (self.kind, self.subject)

    def taken_right(self, alert: "Told") -> bool:
        """Tell whether an alert takes it for what it is; harm is looked for where no source is broken."""
        if self.kind != DRIFT:
            return alert.looks_like != BROKEN
        return alert.looks_like == (BROKEN if self.fault else CHANGED)


@dataclass(frozen=True)
class Told:
    """An alert, as the warehouse holds it; `causes` are by feature, those that differ the most first."""

    kind: str
    severity: str
    subject: str
    at: int
    looks_like: str
    causes: Mapping[str, tuple[str, ...]]
    resolved: bool

    def shows(self, stretch: Stretch) -> list[str]:
        """Give the features that show what the stretch is about."""
        return [f for f, causes in self.causes.items() if any(c.startswith(stretch.cause) for c in causes)]


def read_alerts(client: Client) -> list[Told]:
    """Read all alerts, the first one first."""
    rows = client.query(
        "SELECT kind, severity, subject, toUnixTimestamp64Milli(at), evidence, alert_id IN "
        "(SELECT alert_id FROM alert_states WHERE state = 'resolved') FROM alerts FINAL ORDER BY at, alert_id"
    ).result_rows
    return [_told(*row) for row in rows]


def _told(kind: str, severity: str, subject: str, at: int, text: str, resolved: int) -> Told:
    evidence = json.loads(text)
    features = sorted(evidence.get("features", []), key=lambda f: -f["psi"])
    causes = {f["feature"]: tuple(f["causes"]) for f in features}
    if kind == PERFORMANCE:  # what drifted beside it explains it; the harm is the metric's
        causes = {evidence["metric"]: tuple(evidence["harm"])}
    return Told(kind, severity, subject, at, evidence.get("looks_like", ""), causes, bool(resolved))


def results(
    stretch: Stretch,
    alerts: Sequence[Told],
    retrainings: Sequence[int],
    frozen: Collection[str] = (),
    happened: Sequence[str] = (),
) -> list[Result]:
    """Give the figures of a stretch; `retrainings` are the moments (ms) at which some were asked for.

    `frozen` are the features that were frozen at its end, `happened` the kinds of what became of versions.
    """
    mine = [a for a in alerts if stretch.since < a.at <= stretch.until]
    figures: list[tuple[str, float | str, str]] = [
        ("since", moment(stretch.begins), ""),
        ("until", moment(stretch.ends), ""),
    ]
    right = [a for a in mine if stretch.about(a) and stretch.taken_right(a) and a.shows(stretch)]
    if stretch.cause:
        figures += _noticed(stretch, right[0] if right else None)
    # where nothing is to be noticed, any alert is one too many
    wrong = [a for a in mine if not stretch.cause or (stretch.about(a) and not stretch.taken_right(a))]
    over = stretch.ends < stretch.until
    figures += [
        ("alerts", len(mine), ""),
        ("of another kind" if stretch.cause else "false alarms", len(wrong), ""),
        ("open at the end", sum(not a.resolved for a in mine) if over else 0, ""),
        ("retrainings", sum(stretch.since < at <= stretch.until for at in retrainings), ""),
        ("features frozen at their defaults", len(frozen), ""),
        ("versions", ", ".join(happened) or "as they were", ""),
    ]
    return [Result(stretch.name, "Augury", *figure) for figure in figures]


def _noticed(stretch: Stretch, alert: Told | None) -> list[tuple[str, float | str, str]]:
    if alert is None:
        return [("noticed", "no", "")]
    features = alert.shows(stretch)
    more = f" and {len(features) - _NAMED} more" if len(features) > _NAMED else ""
    cause = next(c for c in alert.causes[features[0]] if c.startswith(stretch.cause))
    return [
        ("noticed", moment(alert.at), ""),
        ("after", (alert.at - stretch.begins) / _HOUR, "h"),
        ("alert", f"{alert.kind}, {alert.severity}", ""),
        ("subject", alert.subject, ""),
        ("looks like", alert.looks_like, ""),
        ("cause", cause, ""),
        ("features", f"{', '.join(features[:_NAMED])}{more}", ""),
    ]


def complaints(stretches: Sequence[Stretch], found: Sequence[Result]) -> list[str]:
    """Say what is not as it must be; empty for a good run."""
    told: list[str] = []
    for stretch in stretches:
        held = {r.metric: r.value for r in found if r.workload == stretch.name}
        if held.get("noticed") == "no":
            told.append(f"{stretch.name}: nobody noticed it as {stretch.cause!r} of {stretch.subject}")
        told += [
            f"{stretch.name}: {held[name]} {name}"
            for name in ("false alarms", "of another kind", "open at the end")
            if held.get(name)
        ]
        frozen = held["features frozen at their defaults"]
        if bool(frozen) != stretch.freezes:
            told.append(f"{stretch.name}: {frozen} features were frozen")
        if held["retrainings"] != stretch.retrainings:
            told.append(f"{stretch.name}: {held['retrainings']} retrainings, not {stretch.retrainings}")
        if stretch.becomes not in str(held["versions"]):
            told.append(f"{stretch.name}: no version came to {stretch.becomes}: {held['versions']}")
    return told


def moment(ms: int) -> str:
    """Write a moment of the log's clock."""
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M}"
