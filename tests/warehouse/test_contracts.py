from dataclasses import replace

import pytest

from features import Freshness
from features.compile import compile_group
from features.contracts import ChangeKind, changes
from tests.definitions import plain, whole
from warehouse.client import Client
from warehouse.contracts import applied, record

PLAIN, WHOLE = compile_group(plain), compile_group(whole)


def kinds(client: Client, *plans: object) -> dict[str, ChangeKind]:
    return {c.label: c.kind for c in changes(plans, applied(client))}  # type: ignore[arg-type]


def test_contracts_are_kept_as_they_were_applied(database: Client) -> None:
    assert kinds(database, PLAIN, WHOLE) == {"plain.v1": ChangeKind.CREATE, "whole.v2": ChangeKind.CREATE}
    record(database, [WHOLE, PLAIN], 1_000)
    record(database, [], 2_000)
    found = applied(database)
    assert [(a.label, a.contract, a.contract_hash, a.applied_at) for a in found] == [
        (p.label, p.to_json(), p.contract_hash, 1_000) for p in (PLAIN, WHOLE)
    ]
    assert kinds(database, WHOLE) == {"whole.v2": ChangeKind.UNCHANGED, "plain.v1": ChangeKind.ABSENT}
    changed = compile_group(replace(plain, owner="ops"))
    assert kinds(database, changed, WHOLE)["plain.v1"] is ChangeKind.REFUSED


def test_a_contract_that_is_applied_again_is_there_once(database: Client) -> None:
    for now in (1_000, 2_000):
        record(database, [PLAIN, WHOLE], now)
    assert len(applied(database)) == 2


def test_sql_reads_what_a_group_promises(database: Client) -> None:
    patient = replace(plain, freshness=Freshness(quiet_after="12h"))
    record(database, [WHOLE, compile_group(patient)], 1_000)
    columns = (
        "entity, source, owner, meaning, expected_max_lag_ms, alert_threshold_ms, on_stale, quiet_after_ms"
    )
    selected = (
        f"SELECT {columns}, toUnixTimestamp64Milli(applied_at) FROM feature_group_config FINAL "
        "ORDER BY entity DESC"
    )
    assert list(database.query(selected).result_rows) == [
        ("stand", "landed", whole.owner, whole.meaning, 3_600_000, 5_400_000, "refuse", None, 1_000),
        ("carrier", "landed", plain.owner, plain.meaning, 600_000, 1_800_000, "serve", 43_200_000, 1_000),
    ]


def test_nothing_is_applied_before_the_first_migration(database: Client) -> None:
    database.command("DROP TABLE feature_group_config")
    assert applied(database) == []
    with pytest.raises(Exception, match="UNKNOWN_TABLE"):
        record(database, [PLAIN], 1_000)
