"""On-demand features in ClickHouse SQL, wherever what they read stands."""

from collections.abc import Mapping
from dataclasses import replace

from features.plan import NamedExpression
from warehouse.dialect import CLICKHOUSE, typed


def on_demand_sql(named: NamedExpression, columns: Mapping[str, str]) -> str:
    """Write an on-demand feature as a vector holds it, `Nullable(Float64)`.

    `columns` gives the SQL of each name that it reads: inputs, `requested_at`, `<group>.<feature>`.
    """
    dialect = replace(CLICKHOUSE, column=lambda node: columns[node.name])
    return f"CAST({typed(dialect.render(named.expression), named.type)}, 'Nullable(Float64)')"
