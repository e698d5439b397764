"""How far feature groups lay behind the requests that read them, and what those got."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from augury.page import Markup, element, figure, page, table
from augury.reports.lines import Course, chart, spark
from augury.reports.nothing import NothingToShowError
from augury.reports.scales import minute, short
from warehouse.client import Client
from warehouse.reports import FreshnessHour, GroupClock, freshness_hours, group_clocks

_DAY_MS = 86_400_000
_MOST_DRAWN = 12
_NEAR = 0.5
"""A limit is drawn where a lag has reached this share of it: one that is far away would flatten all else."""
_UNITS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"), (1, "ms"))


@dataclass(frozen=True)
class GroupFreshness:
    """A group version: its clocks in the warehouse and in Redis (ms), and the hours in which it was read.

    `clock` is None where it was never applied, `online` where Redis has none or does not answer.
    """

    label: str
    clock: GroupClock | None
    online: int | None
    hours: Sequence[FreshnessHour]

    @property
    def reads(self) -> int:
        """How many rows of it requests asked for."""
        return sum(h.reads for h in self.hours)

    @property
    def not_fresh(self) -> int:
        """How many of them were stale or missing."""
        return sum(h.stale + h.missing for h in self.hours)

    @property
    def worst_ms(self) -> int | None:
        """The largest lag."""
        return max((h.lag_max_ms for h in self.hours if h.lag_max_ms is not None), default=None)

    @property
    def behind_ms(self) -> int | None:
        """How far Redis lies behind the warehouse; below 0, it is ahead."""
        held = None if self.clock is None else self.clock.log_time
        return None if held is None or self.online is None else held - self.online


def read_freshness(
    client: Client, online: Mapping[str, int] | None, group: str, days: int
) -> list[GroupFreshness]:
    """Read each group version that was applied or read, those that were not fresh the most first.

    `online` are the clocks in Redis (ms) by label, None where it does not answer. Raises
    `NothingToShowError`.
    """
    hours: dict[str, list[FreshnessHour]] = defaultdict(list)
    for hour in freshness_hours(client, group, days):
        hours[f"{hour.group}.v{hour.version}"].append(hour)
    clocks = {f"{c.group}.v{c.version}": c for c in group_clocks(client, group)}
    labels = sorted({*hours, *clocks})
    if not labels:
        raise NothingToShowError(
            "feature groups", group and f"group {group!r}", "`augury apply MODULE` makes them"
        )
    known = online or {}
    found = [GroupFreshness(name, clocks.get(name), known.get(name), hours[name]) for name in labels]
    return sorted(found, key=lambda f: (-f.not_fresh, -(f.worst_ms or 0), f.label))


def freshness_page(groups: Sequence[GroupFreshness]) -> str:
    """Draw the page."""
    said = (
        "A group's lag is how far its clock lay behind a request, from the log of predictions. It is stale "
        "beyond the lag that it states. Times are UTC."
    )
    parts = [element("p", said), _summary(groups)]
    drawn = [group for group in groups if group.hours][:_MOST_DRAWN]
    for group in drawn:
        parts += _section(group)
    if not drawn:
        parts.append(element("p", "No request has read any of them yet."))
    return page("Freshness", parts)


def _summary(groups: Sequence[GroupFreshness]) -> Markup:
    headings = ["group", "rows read", "fresh", "stale", "missing", "defaults", "largest lag", "stale beyond"]
    headings += ["alert beyond", "then", "clock in Redis", "log in the warehouse", "behind by"]
    rows = []
    for group in groups:
        clock, hours = group.clock, group.hours
        counts = [sum(getattr(h, name) for h in hours) for name in ("fresh", "stale", "missing", "defaulted")]
        limits = ["", "", ""]
        if clock is not None:
            limits = [
                _duration(clock.expected_max_lag_ms),
                _duration(clock.alert_threshold_ms),
                clock.on_stale,
            ]
        moments = (group.online, None if clock is None else clock.log_time)
        rows.append(
            [
                group.label,
                f"{group.reads:,}",
                *(f"{count:,}" for count in counts),
                _duration(group.worst_ms),
                *limits,
                *("" if at is None else minute(at) for at in moments),
                _duration(group.behind_ms),
            ]
        )
    return table(
        [*headings, Markup("not fresh, by day")],
        [[*r, _by_day(g)] for r, g in zip(rows, groups, strict=True)],
    )


def _by_day(group: GroupFreshness) -> Markup:
    reads: dict[int, int] = defaultdict(int)
    late: dict[int, int] = defaultdict(int)
    for hour in group.hours:
        reads[hour.hour // _DAY_MS] += hour.reads
        late[hour.hour // _DAY_MS] += hour.stale + hour.missing
    if not reads:
        return Markup("")
    days = range(min(reads), max(reads) + 1)
    shares = [late[day] / reads[day] if reads[day] else None for day in days]
    return spark(shares, f"share of rows of {group.label} that were not fresh, by day")


def _section(group: GroupFreshness) -> list[Markup]:
    worst = float(group.worst_ms or 0)
    size, unit = next(((s, u) for s, u in _UNITS if worst >= 2 * s), _UNITS[-1])
    times = [h.hour for h in group.hours]
    courses = [
        Course(name, times, [None if v is None else v / size for v in values], colour)
        for name, colour, values in (
            ("99th percentile", "other", [h.lag_p99_ms for h in group.hours]),
            ("median", "mark", [h.lag_p50_ms for h in group.hours]),
        )
    ]
    limits = []
    if group.clock is not None:
        stated = {
            "stale beyond": group.clock.expected_max_lag_ms,
            "alert beyond": group.clock.alert_threshold_ms,
        }
        limits = [(name, ms / size) for name, ms in stated.items() if worst >= _NEAR * ms]
    drawn = chart(courses, f"lag of {group.label} by hour", limits, zero=True)
    late = [h for h in group.hours if h.stale or h.missing]
    parts = [element("h2", group.label), figure(drawn, f"Lag by the hour of the request, in {unit}.")]
    if late:
        rows = [
            [minute(h.hour), *(f"{n:,}" for n in (h.reads, h.stale, h.missing, h.defaulted)), *_lags(h)]
            for h in sorted(late, key=lambda h: -(h.stale + h.missing))
        ]
        headings = ["hour", "rows read", "stale", "missing", "defaults", "median lag", "99th percentile"]
        parts += [element("h3", "Hours in which not all was fresh"), table(headings, rows)]
    return parts


def _lags(hour: FreshnessHour) -> list[str]:
    return [_duration(hour.lag_p50_ms), _duration(hour.lag_p99_ms)]


def _duration(ms: float | None) -> str:
    """Write a duration in one unit; the sort by it goes by the number alone, so it is seconds throughout."""
    return "" if ms is None else f"{short(ms / 1_000)} s"
