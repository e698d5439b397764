"""ClickHouse: tables, migrations, the sink, backfill, parity, as-of datasets and the embedded door."""
