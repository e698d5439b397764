"""A look at a running system, drawn."""

from collections.abc import Callable

from rich.console import Group
from rich.table import Column, Table

from augury.options import utc
from augury.top.look import SERVICES, Look
from augury.top.samples import Window

_DOORS = ("http", "worker")
_STATES = ("fresh", "stale", "missing")


def frame(look: Look, before: Look | None = None) -> Group:
    """Draw what a system is doing: rates and latencies since the look before, or since each process began."""
    windows = {
        name: Window(scrape, None if before is None else before.scrapes.get(name))
        for name, scrape in look.scrapes.items()
    }
    since = "since each began" if before is None else f"in the last {look.at - before.at:.1f} s"
    return Group(
        f"[bold]augury[/] at {utc(round(look.at * 1_000))}, rates {since}",
        _requests(windows),
        _groups(look, windows),
        _services(look, windows),
    )


def _requests(windows: dict[str, Window]) -> Table:
    names = ("door", "model", "answers/s", "problems/s", "p50 ms", "p99 ms", "in flight")
    table = _table("requests", names, left=2)
    for window in (windows[name] for name in _DOORS if name in windows):
        rates = window.rates("augury_requests_total", "door", "model", "outcome")
        halves, tails = (
            {
                (door, model): seconds
                for (door, model, part), seconds in window.quantiles(
                    q, "augury_request_duration_seconds", "door", "model", "part"
                ).items()
                if part == "total"
            }
            for q in (0.5, 0.99)
        )
        inside = window.now.sums("augury_requests_in_flight", "door")
        for door, model in sorted({key[:2] for key in rates}):
            fine = rates.get((door, model, "ok"), 0.0)
            wrong = sum(rate for key, rate in rates.items() if key[:2] == (door, model)) - fine
            table.add_row(
                door,
                model or "[dim]none[/]",
                f"{fine:,.1f}",
                _alarming(wrong, f"{wrong:,.1f}"),
                _given(halves.get((door, model)), lambda s: f"{s * 1e3:,.2f}"),
                _given(tails.get((door, model)), lambda s: f"{s * 1e3:,.2f}"),
                f"{inside.get((door,), 0):,.0f}",
            )
    return table


def _groups(look: Look, windows: dict[str, Window]) -> Table:
    names = ("group", "rows/s", "row lag p99 s", "clock lag s", *(f"{state}/s" for state in _STATES))
    table = _table("features", names, left=1)
    written: dict[str, float] = {}
    lags: dict[str, float] = {}
    states: dict[tuple[str, str], float] = {}
    if (window := windows.get("materialiser")) is not None:
        rates = window.rates("augury_feature_rows_written_total", "group", "version")
        written = {f"{group}.v{version}": rate for (group, version), rate in rates.items()}
        tails = window.quantiles(0.99, "augury_feature_row_lag_seconds", "group", "version")
        lags = {f"{group}.v{version}": lag for (group, version), lag in tails.items()}
    for window in (windows[name] for name in _DOORS if name in windows):
        seen = window.rates("augury_vector_rows_total", "group", "version", "state")
        for (group, version, state), rate in seen.items():
            key = (f"{group}.v{version}", state)
            states[key] = states.get(key, 0.0) + rate
    clocks = look.clocks or {}
    for label in sorted({*written, *clocks, *(label for label, _ in states)}):
        clock = clocks.get(label)
        asked = [states.get((label, state), 0.0) for state in _STATES]
        table.add_row(
            label,
            _given(written.get(label), lambda rate: f"{rate:,.1f}"),
            _given(lags.get(label), lambda lag: f"{lag:,.2f}"),
            _given(clock, lambda ms: f"{look.at - ms / 1_000:,.1f}"),
            f"{asked[0]:,.1f}",
            *(_alarming(rate, f"{rate:,.1f}") for rate in asked[1:]),
        )
    return table


def _services(look: Look, windows: dict[str, Window]) -> Table:
    names = ("service", "metrics", "behind", "refused", "retries", "spooled", "memory MB")
    table = _table("services", names, left=2)
    for name in SERVICES:
        window = windows.get(name)
        behind = _given(look.behind.get(name), lambda count: f"{count:,}")
        if window is None:
            table.add_row(name, "[dim]none[/]", behind)
            continue
        refused, retries, spooled, memory = (
            window.now.sums(metric).get(())
            for metric in (
                "augury_dead_letters_total",
                "augury_retries_total",
                "augury_spool_records",
                "process_resident_memory_bytes",
            )
        )
        table.add_row(
            name,
            "[green]up[/]",
            behind,
            _given(refused, lambda count: _alarming(count, f"{count:,.0f}")),
            _given(retries, lambda count: f"{count:,.0f}"),
            _given(spooled, lambda count: f"{count:,.0f}"),
            _given(memory, lambda size: f"{size / 2**20:,.0f}"),
        )
    return table


def _table(title: str, names: tuple[str, ...], left: int) -> Table:
    columns = (
        Column(name, justify="left" if place < left else "right", overflow="fold")
        for place, name in enumerate(names)
    )
    return Table(*columns, title=title, title_justify="left", expand=False)


def _given(value: float | int | None, text: Callable[[float], str]) -> str:
    return "" if value is None else text(value)


def _alarming(value: float, text: str) -> str:
    return f"[red]{text}[/]" if value > 0 else text
