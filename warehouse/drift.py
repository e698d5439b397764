"""Counts by bin and quantiles of many features, as few scans: the part of a drift check that reads rows.

A query takes ten columns at a time. A wider one holds more of them in memory than the caches do, and to
compile expressions that are never run again costs more than it saves. As many run side by side as the server
has threads for, so that none of them waits for another's last block.
"""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from clickhouse_connect.driver.client import Client

from warehouse.bins import Bins
from warehouse.dialect import column
from warehouse.samples import Sample, served, text

COLUMNS = 10
MAX_LEVELS = 200
"""Categories that have a bin of their own: the reference's most frequent; the others share one."""
_BESIDE = 8
"""How many queries run at a time at most, whatever the server could."""
_SETTINGS = {"compile_expressions": 0, "compile_aggregate_expressions": 0}


def count(client: Client, sample: Sample, bins: Mapping[str, Bins]) -> dict[str, list[int]]:
    """Count the values of each feature by bin, in the order of `Bins`."""
    found: dict[str, list[int]] = {}
    numbers = _batches(name for name, held in bins.items() if held.levels is None)
    queries = [numbers_sql(sample, {name: bins[name] for name in names}) for names in numbers]
    for names, row in zip(numbers, _rows(client, queries, sample), strict=True):
        at = 1
        for name in names:
            size = bins[name].size - 1
            found[name] = _binned(row[at : at + size], row[0])
            at += size
    for names in _batches(name for name, held in bins.items() if held.levels is not None):
        found |= {name: [0] * bins[name].size for name in names}
        sql = categories_sql(sample, {name: bins[name] for name in names})
        rows = client.query(sql, dict(sample.parameters), settings=_SETTINGS).result_rows
        for place, position, counted in rows:
            found[names[place]][position] = int(counted)
    return {name: found[name] for name in bins}


def count_by_segment(
    client: Client, sample: Sample, by: str, name: str, bins: Bins
) -> dict[str, tuple[int, ...]]:
    """Count the values of one feature by bin in each segment, of which the `MAX_LEVELS` largest are given."""
    of = f"toString({sample.segments[by]})"
    last = f"GROUP BY _segment ORDER BY count() DESC, _segment LIMIT {MAX_LEVELS:d}"
    if bins.levels is None:
        counted = ", ".join(_up_to(sample.columns[name], bins))
        sql = f"SELECT {of} AS _segment, count(), {counted} FROM {sample.rows} {last}"
        rows = client.query(sql, dict(sample.parameters), settings=_SETTINGS).result_rows
        return {str(segment): tuple(_binned(up_to, n)) for segment, n, *up_to in rows}
    each = [f"countIf(_bin = {place})" for place in range(bins.size)]
    inner = f"SELECT {of} AS _segment, {_position(sample.columns[name], bins)} AS _bin FROM {sample.rows}"
    sql = f"SELECT _segment, {', '.join(each)} FROM ({inner}) {last}"
    rows = client.query(sql, dict(sample.parameters), settings=_SETTINGS).result_rows
    return {str(segment): tuple(map(int, counts)) for segment, *counts in rows}


def numbers_sql(sample: Sample, bins: Mapping[str, Bins]) -> str:
    """Write the query that counts, after the rows, each feature's values up to each edge and inf."""
    counted = [part for name, held in bins.items() for part in _up_to(sample.columns[name], held)]
    return f"SELECT count(), {', '.join(counted)} FROM {sample.rows}"


def _up_to(value: str, bins: Bins) -> list[str]:
    return [f"countIf({value} <= {edge!r})" for edge in (*bins.edges, float("inf"))]


def categories_sql(sample: Sample, bins: Mapping[str, Bins]) -> str:
    """Write the query that gives the feature's place, the bin's place and the rows in it."""
    parts = []
    for place, (name, held) in enumerate(bins.items()):
        position = _position(sample.columns[name], held)
        parts.append(
            f"SELECT {place} AS _feature, {position} AS _bin, count() FROM {sample.rows} GROUP BY _bin"
        )
    return " UNION ALL ".join(parts)


def _position(column: str, bins: Bins) -> str:
    """Write the place of a category's bin."""
    levels, value = bins.levels or (), f"toString({column})"
    known = f"[{', '.join(text(level) for level in levels)}]"
    others, missing = len(levels), len(levels) + 1
    found = f"transform(assumeNotNull({value}), {known}, {list(range(others))}, {others})"
    return f"toInt64(if(isNull({value}), {missing}, {found if levels else others}))"


def quantiles(
    client: Client, sample: Sample, names: Iterable[str], shares: Sequence[float]
) -> dict[str, list[float]]:
    """Give observed values below which `shares` of each number lie; an empty list where all are missing."""
    found = {}
    wanted = ", ".join(map(repr, shares))
    for some in _batches(names):
        values = [f"toFloat64({sample.columns[name]})" for name in some]
        each = [f"countIf({v} <= inf), quantilesExactLowIf({wanted})({v}, {v} <= inf)" for v in values]
        row = _row(client, f"SELECT {', '.join(each)} FROM {sample.rows}", sample)
        for name, present, held in zip(some, row[::2], row[1::2], strict=True):
            found[name] = [float(v) for v in held] if present else []
    return found


def beyond(client: Client, sample: Sample, ranges: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    """Give the share of each number's values, missing ones aside, that lie beyond what is possible."""
    found = {}
    for names in _batches(ranges):
        each = []
        for name in names:
            value, (low, high) = f"toFloat64({sample.columns[name]})", ranges[name]
            each.append(f"countIf({value} < {low!r} OR {value} > {high!r}), countIf({value} <= inf)")
        row = _row(client, f"SELECT {', '.join(each)} FROM {sample.rows}", sample)
        for name, out, rows in zip(names, row[::2], row[1::2], strict=True):
            found[name] = int(out) / max(int(rows), 1)
    return found


def levels(
    client: Client, sample: Sample, names: Iterable[str], at_most: int = MAX_LEVELS
) -> dict[str, list[str]]:
    """Give each feature's most frequent categories, so many at most; ties go by the text."""
    found = {}
    for name in names:
        value = f"toString({sample.columns[name]})"
        sql = (
            f"SELECT {value} AS _level FROM {sample.rows} GROUP BY _level HAVING isNotNull(_level) "
            f"ORDER BY count() DESC, _level LIMIT {at_most:d}"
        )
        found[name] = [str(r[0]) for r in client.query(sql, dict(sample.parameters)).result_rows]
    return found


def period(client: Client, table: str) -> tuple[int, int]:
    """Give [since, until) (ms) of the predictions of a training set; an empty range where it has none."""
    first, last = client.query(
        "SELECT min(toUnixTimestamp64Milli(prediction_time)), max(toUnixTimestamp64Milli(prediction_time)) "
        f"FROM {column(table)}"
    ).result_rows[0]
    return int(first), int(last) + 1 if last else int(first)


def stale_share(client: Client, model_name: str, group: str, since: int, until: int) -> float:
    """Give the share of the vectors served in [since, until) (ms) whose row of the group was stale."""
    sample = served(model_name, {}, since, until)
    sql = f"SELECT countIf(rows.state[indexOf(rows.group, {text(group)})] = 'stale'), count()"
    stale, rows = _row(client, f"{sql} FROM {sample.rows}", sample)
    return int(stale) / max(int(rows), 1)


def frozen(client: Client, model_name: str, since: int, until: int) -> tuple[str, ...]:
    """Give the features that answers to requests made in [since, until) (ms) name as frozen, in order."""
    sample = served(model_name, {}, since, until)
    sql = f"SELECT DISTINCT arrayJoin(frozen) AS _feature FROM {sample.rows} ORDER BY _feature"
    return tuple(str(row[0]) for row in client.query(sql, dict(sample.parameters)).result_rows)


def _rows(client: Client, queries: Sequence[str], sample: Sample) -> list[Sequence[Any]]:
    """Ask for one row each; between them the queries have the threads that one would have."""
    if len(queries) < 2:
        return [_row(client, sql, sample) for sql in queries]
    threads = int(client.query("SELECT getSetting('max_threads')").result_rows[0][0])
    beside = max(1, min(threads, len(queries), _BESIDE))
    each = max(1, threads // beside)
    with ThreadPoolExecutor(beside) as pool:
        return list(pool.map(lambda sql: _row(client, sql, sample, max_threads=each), queries))


def _row(client: Client, sql: str, sample: Sample, **settings: int) -> Sequence[Any]:
    found = client.query(sql, dict(sample.parameters), settings=_SETTINGS | settings)
    row: Sequence[Any] = found.result_rows[0]
    return row


def _binned(cumulative: Sequence[int], rows: int) -> list[int]:
    """Turn counts up to each edge, the last up to inf, into counts by bin, missing values last."""
    counts = [int(b) - int(a) for a, b in zip((0, *cumulative[:-1]), cumulative, strict=True)]
    return [*counts, int(rows) - int(cumulative[-1])]


def _batches(names: Iterable[str]) -> list[list[str]]:
    given = list(names)
    return [given[i : i + COLUMNS] for i in range(0, len(given), COLUMNS)]
