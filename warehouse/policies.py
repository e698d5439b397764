"""The policies that were applied, as rows of `policies`."""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from clickhouse_connect.driver.client import Client

_COLUMNS = ("policy", "model_name", "group", "group_version", "metric", "settings", "applied_at")
_NOT_SETTINGS = frozenset({"policy", "model_name", "group_name", "group_version"})


def record_policies(client: Client, rows: Iterable[Mapping[str, Any]], now: int) -> None:
    """Write policies as applied at `now` (ms).

    A row names its kind under `policy` and has its columns beside, as for the registry's tables.
    """
    held = [
        [
            row["policy"],
            row["model_name"],
            row.get("group_name", ""),
            row.get("group_version", 0),
            # Of the other kinds a model has one, whatever its metric.
            row["metric"] if row["policy"] == "monitoring_policy" else "",
            orjson.dumps({name: value for name, value in row.items() if name not in _NOT_SETTINGS}).decode(),
            now,
        ]
        for row in rows
    ]
    if held:
        client.insert("policies", held, column_names=_COLUMNS)
