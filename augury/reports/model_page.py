"""The page of one model."""

import json
from collections import defaultdict
from collections.abc import Sequence

from augury.options import utc
from augury.page import Markup, element, figure, page, table
from augury.reports.lines import Course, chart
from augury.reports.model import ModelReport, Version
from augury.reports.scales import Scale, day, minute, short
from augury.reports.spans import Span, interval, timeline
from augury.spelling import spelled
from inference.registry import ModelStatus
from warehouse.reports import PerformanceWindow

_COLOURS = ("mark", "other", "good", "past", "ink")
_NOTHING = "There is none."


def model_page(report: ModelReport) -> str:
    """Draw the page."""
    parts = [
        *_serving(report),
        *_champions(report),
        *_versions(report.versions),
        *_performance(report.performance),
        *_segments(report.performance),
        *_alerts(report),
        *_answers(report),
        *_decisions(report),
        *_cost(report),
        element("p", "Times are UTC.", class_="quiet"),
    ]
    return page(report.model, parts)


def _serving(report: ModelReport) -> list[Markup]:
    serving = report.serving
    champion = next((v.version for v in report.versions if v.version.status is ModelStatus.CHAMPION), None)
    if champion is None:
        said = ["No version is champion: requests without a version are refused."]
    else:
        reign = report.reigns[-1]
        since = f"since {utc(reign.valid_from)}, by {reign.by}: {reign.why}"
        said = [f"Version {champion.version} is champion {since}."]
    if serving.challenger_version is not None:
        share = f"{serving.challenger_share:.0%}"
        said.append(f"Version {serving.challenger_version} is its challenger, with {share} of the entities.")
    if serving.shadow_model_version is not None:
        said.append(f"Version {serving.shadow_model_version} answers in its shadow.")
    return [element("p", " ".join(said))]


def _champions(report: ModelReport) -> list[Markup]:
    parts = [element("h2", "Champions")]
    if not report.reigns:
        return [*parts, element("p", _NOTHING)]
    spans = [
        Span(
            f"version {reign.version}",
            reign.valid_from,
            report.seen_at if reign.valid_to is None else reign.valid_to,
            "mark" if reign.valid_to is None else "past",
        )
        for reign in report.reigns
    ]
    rows = [
        [
            f"{reign.version}",
            minute(reign.valid_from),
            "" if reign.valid_to is None else minute(reign.valid_to),
            reign.kind,
            reign.by,
            reign.why,
            _evidence(None if reign.evidence is None else json.dumps(reign.evidence)),
            reign.ended_why or "",
        ]
        for reign in report.reigns
    ]
    headings = ["version", "from", "to", "how", "by", "why", "evidence", "ended because"]
    told = f"champions of {report.model} over time"
    return [*parts, figure(timeline(spans, told), "Who was champion when."), table(headings, rows)]


def _versions(versions: Sequence[Version]) -> list[Markup]:
    names = sorted({name for v in versions for name, value in v.metrics.items() if _is_number(value)})
    rows = []
    for v in reversed(versions):
        passed = sum(gate.passed for gate in v.gates)
        groups = ", ".join(f"{group}.v{n}" for group, n in v.lineage.feature_group_versions.items())
        figures = [spelled(n, v.metrics[n]) if _is_number(v.metrics.get(n)) else "" for n in names]
        rows.append(
            [
                f"{v.version.version}",
                v.version.status.value,
                minute(v.version.created_at),
                *figures,
                f"{passed} of {len(v.gates)}" if v.gates else "",
                v.lineage.training_dataset_version,
                groups,
                v.lineage.code_version[:12],
                v.lineage.experiment_id,
            ]
        )
    headings = ["version", "status", "registered", *names, "gates passed"]
    return [
        element("h2", "Versions"),
        table([*headings, "training set", "groups", "code", "experiment"], rows),
    ]


def _performance(windows: Sequence[PerformanceWindow]) -> list[Markup]:
    parts = [element("h2", "Performance by window")]
    by_policy: dict[str, list[PerformanceWindow]] = defaultdict(list)
    for window in windows:
        if not window.segment_by:
            by_policy[window.policy].append(window)
    if not by_policy:
        return [*parts, element("p", _NOTHING)]
    for policy, found in by_policy.items():
        caption = (
            "With 95 % intervals; a dot where the window alarmed. An alarm is worse than the holdout by "
            f"more than {short(found[-1].threshold)}."
        )
        parts += [element("h3", policy), figure(performance_chart(policy, found), caption)]
        rows = [_window_row(w) for w in sorted(found, key=lambda w: (-w.window_end, w.basis))]
        headings = ["window to", "basis", "version", "units", "value", "low", "high", "holdout"]
        parts.append(table([*headings, "worse by", "p", "log evidence", "losses larger by", "alarm"], rows))
    return parts


def performance_chart(policy: str, windows: Sequence[PerformanceWindow]) -> Markup:
    """Draw a policy's metric of all requests by window, measured and estimated, beside the holdout's."""
    courses = [
        _course(basis, [w for w in windows if w.basis == basis])
        for basis in sorted({w.basis for w in windows})
    ]
    known = [w.reference for w in windows if w.reference is not None]
    limits = [("holdout", known[-1])] if known else []
    return chart([c for c in courses if c.times], f"{policy} by window", limits)


def _course(basis: str, windows: Sequence[PerformanceWindow]) -> Course:
    return Course(
        basis,
        [w.window_end for w in windows],
        [w.value for w in windows],
        colour="mark" if basis == "measured" else "other",
        dashed=basis != "measured",
        low=[w.low for w in windows],
        high=[w.high for w in windows],
        marks=[w.alarmed for w in windows],
    )


def _window_row(w: PerformanceWindow) -> list[str]:
    figures = (w.value, w.low, w.high, w.reference, w.worse, w.p_value, w.log_e, w.ks_larger)
    alarm = "yes" if w.alarmed else ""
    return [day(w.window_end), w.basis, f"{w.model_version}", f"{w.units:,}", *map(short, figures), alarm]


def _segments(windows: Sequence[PerformanceWindow]) -> list[Markup]:
    held = [w for w in windows if w.segment_by]
    parts = [element("h2", "Segments of the newest window")]
    if not held:
        return [*parts, element("p", _NOTHING)]
    newest = {
        policy: max(w.window_end for w in held if w.policy == policy) for policy in {w.policy for w in held}
    }
    shown = [w for w in held if w.window_end == newest[w.policy]]
    shown.sort(key=lambda w: (not w.breached, -(w.gap or 0.0)))
    ends = [v for w in shown for v in (w.gap_low, w.gap_high, 0.0, w.threshold) if v is not None]
    scale = Scale(min(ends), max(ends), 6, 134)
    rows = []
    for w in shown:
        drawn = Markup("")
        if w.gap is not None and w.gap_low is not None and w.gap_high is not None:
            told = f"how much worse {w.segment_by} {w.segment} is than the others"
            drawn = interval(w.gap_low, w.gap, w.gap_high, scale, w.threshold, told)
        figures = (w.value, w.gap, w.gap_low, w.gap_high)
        alarm = "yes" if w.breached else ""
        names = [w.policy, w.segment_by, w.segment]
        rows.append([*names, f"{w.units:,}", *map(short, figures), drawn, alarm])
    headings = ["policy", "by", "segment", "units", "value", "worse than the others by", "low", "high"]
    said = "Each end of an interval holds for all segments of all kinds at once, with its share of the level."
    return [*parts, element("p", said), table([*headings, Markup("interval"), "alarm"], rows)]


def _alerts(report: ModelReport) -> list[Markup]:
    parts = [element("h2", "Alerts")]
    if not report.alerts:
        return [*parts, element("p", _NOTHING)]
    rows = [
        [
            minute(alert.at),
            alert.kind,
            alert.policy,
            alert.severity,
            alert.state,
            " ".join(filter(None, (alert.state_by, alert.state_why))),
            _evidence(alert.evidence),
        ]
        for alert in report.alerts
    ]
    return [*parts, table(["at", "kind", "policy", "severity", "state", "by and why", "evidence"], rows)]


def _answers(report: ModelReport) -> list[Markup]:
    parts = [element("h2", "Answers by day")]
    if not report.answers:
        return [*parts, element("p", _NOTHING)]
    counted: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for one in report.answers:
        name = (
            "no version (errors)"
            if one.model_version is None
            else f"version {one.model_version}, {one.variant}"
        )
        counted[name][one.day] += one.answers
    days = sorted({one.day for one in report.answers})
    courses = [
        Course(name, days, [float(found.get(at, 0)) for at in days], _COLOURS[n % len(_COLOURS)])
        for n, (name, found) in enumerate(sorted(counted.items()))
    ]
    rows = [
        [
            day(one.day),
            "" if one.model_version is None else f"{one.model_version}",
            one.variant,
            one.door,
            *(f"{n:,}" for n in (one.answers, one.errors, one.with_stale_rows, one.with_missing_rows)),
            *(f"{n:,}" for n in (one.with_defaults,)),
            *(short(value) for value in (one.mean_prediction, one.latency_p50_ms, one.latency_p99_ms)),
        ]
        for one in reversed(report.answers)
    ]
    headings = ["day", "version", "variant", "door", "answers", "errors", "stale", "missing", "defaults"]
    drawn = figure(
        chart(courses, f"answers of {report.model} by day", zero=True), "Answers a day, by who gave them."
    )
    return [*parts, drawn, table([*headings, "mean", "p50 ms", "p99 ms"], rows)]


def _decisions(report: ModelReport) -> list[Markup]:
    rows = [
        [minute(event.at), f"{event.version}", event.kind, event.by, event.why, _evidence(event.evidence)]
        for event in reversed(report.events)
    ]
    return [element("h2", "Decisions"), table(["at", "version", "what", "by", "why", "evidence"], rows)]


def _cost(report: ModelReport) -> list[Markup]:
    rows = [
        [f"storage: {each.table}", short(each.bytes_per_thousand / 1000), "kB"]
        for each in report.storage
        if each.bytes_per_thousand is not None
    ]
    rows += [[f"processor: {service}", short(s), "s"] for service, s in report.processor.items()]
    untold = "" if report.processor else " No service tells its processor time: see AUGURY_…_METRICS_PORT."
    said = f"Of all models together; processor time since each service began.{untold}"
    parts = [element("h2", "Cost of a thousand predictions"), element("p", said, class_="quiet")]
    return [*parts, table(["what", "each thousand", "unit"], rows)]


def _evidence(text: str | None) -> Markup:
    """Fold JSON away behind a word."""
    if not text:
        return Markup("")
    pretty = json.dumps(json.loads(text), indent=1, ensure_ascii=False)
    return element("details", element("summary", "evidence"), element("pre", pretty))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
