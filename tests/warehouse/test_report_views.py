"""The views that reports read, each over rows as their writers leave them."""

import re
from dataclasses import replace
from typing import Any

import pytest

from augury.clock import wall_ms
from augury.settings import ROOT
from features.compile import compile_group
from features.definitions import Lookup
from tests.definitions import landed, plain
from tests.warehouse.answers import publish
from tests.warehouse.reported import (
    DAY,
    HOUR,
    MODEL,
    START,
    alerted,
    answer,
    answering,
    drifting,
    watched,
)
from warehouse import performance_reports
from warehouse.client import Client
from warehouse.contracts import record
from warehouse.performance_reports import Row, Watched
from warehouse.reports import windows_done

pytestmark = pytest.mark.stack
MIGRATIONS = ROOT / "warehouse" / "migrations"


def rows(client: Client, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in client.query(sql).result_rows]


def test_the_windows_that_are_done_are_a_version_s_own_and_were_told(database: Client) -> None:
    def done(version: int, view: str = "drift_windows", alarm: str = "drifted") -> set[int]:
        return windows_done(database, view, alarm, policy, MODEL, version)

    policy = "plain.v1/late"
    assert done(1) == set()
    drifting(database)
    found = rows(
        database,
        "SELECT policy, model_version, toUnixTimestamp64Milli(window_end), max(drifted) FROM drift_windows "
        "GROUP BY ALL ORDER BY 3",
    )
    policy, version = found[0][:2]
    ends, alarms = [row[2] for row in found], [bool(row[3]) for row in found]
    assert alarms[-1]
    assert done(version) == {e for e, a in zip(ends, alarms, strict=True) if not a}
    alerted(database, ends[-1])
    assert done(version) == {ends[-1]}  # of those before nobody is told any more
    assert done(version + 1) == set()
    assert done(version, "performance_windows", "breached") == set()


def test_a_window_whose_losses_alarm_is_done_once_somebody_was_told(database: Client) -> None:
    alarm = "breached OR ks_breached"
    one = Watched("auc/late", MODEL, 1, "auc", 0.05, START, START + DAY)
    row = Row("measured", "", "", 500, 0.7, ks_larger=0.4, ks_breached=True)
    performance_reports.keep(database, one, [row])
    assert windows_done(database, "performance_windows", "breached", one.policy, MODEL, 1) == {one.end}
    assert windows_done(database, "performance_windows", alarm, one.policy, MODEL, 1) == set()


def test_a_window_of_drift_has_shares_and_its_subject(database: Client) -> None:
    drifting(database)
    drifting(database)  # checked again, it is the same window
    drifting(database, features=1, policy=f"outputs/{MODEL}")
    found = rows(
        database,
        "SELECT feature, toUnixTimestamp64Milli(window_end), judged, drifted, arraySum(shares), "
        "arraySum(reference_shares), shares[-1], causes FROM drift_windows "
        "WHERE subject = 'plain.v1' ORDER BY feature, window_end",
    )
    assert len(found) == 6
    feature, end, judged, drifted, total, reference, missing, causes = found[2]
    assert (feature, end, judged, drifted) == ("f0", START + 3 * DAY, True, True)
    assert (total, reference, missing) == (pytest.approx(1), pytest.approx(1), 0.2)
    assert list(causes) == ["missing values"]
    assert rows(database, "SELECT count(), uniq(feature) FROM drift_windows WHERE subject = 'outputs'") == [
        (3, 1)
    ]


def test_a_feature_has_its_newest_window_and_how_often_it_drifted(database: Client) -> None:
    drifting(database)
    first, second = rows(
        database,
        "SELECT feature, windows, judged_windows, drifted_windows, "
        "toUnixTimestamp64Milli(last_drifted), psi, q_value, drifts FROM drift_features ORDER BY feature",
    )
    assert first == ("f0", 3, 3, 1, START + 3 * DAY, 0.8, 0.001, True)
    assert second == ("f1", 3, 3, 0, None, pytest.approx(0.01001), 0.9, False)


def test_a_window_of_performance_is_there_once_a_segment(database: Client) -> None:
    watched(database)
    watched(database)
    found = rows(
        database,
        "SELECT basis, segment_by, segment, count(), countIf(breached) FROM performance_windows "
        "GROUP BY ALL ORDER BY ALL",
    )
    assert found == [
        ("estimated", "", "", 3, 0),
        ("measured", "", "", 3, 1),
        ("measured", "carrier", "<AA>", 3, 0),
        ("measured", "carrier", "UA", 3, 1),
    ]


def test_an_alert_has_the_state_that_it_has_reached(database: Client) -> None:
    alerted(database)
    found = rows(
        database,
        "SELECT alert_id, state, state_by, state_why, toUnixTimestamp64Milli(state_at), severity "
        "FROM alerts_with_state ORDER BY alert_id",
    )
    assert found == [
        ("drift/0", "open", "", "", None, "warning"),
        ("drift/1", "acknowledged", "ann", "seen", START + 5, "warning"),
        ("drift/2", "resolved", "bob", "mended", START + 9, "warning"),
    ]


def test_a_day_of_answers_is_counted_once_each(database: Client) -> None:
    answering(database)
    (found,) = rows(
        database,
        "SELECT toString(day), answers, errors, with_stale_rows, with_missing_rows, with_defaults, "
        "mean_prediction, latency_p99_ms FROM answers_daily",
    )
    assert found == ("2013-01-02", 12, 1, 1, 1, 2, 0.5, 2.0)


def test_an_hour_of_reads_has_the_lag_of_the_groups_clock(database: Client) -> None:
    answering(database)
    late, early = rows(
        database,
        "SELECT group, version, toUnixTimestamp(hour) * 1000, reads, fresh, stale, missing, defaulted, "
        "lag_p50_ms, lag_max_ms, expected_max_lag_ms, alert_threshold_ms, on_stale "
        "FROM freshness_hourly ORDER BY hour DESC",
    )
    limits = (600_000, 1_800_000, "serve")
    assert early == ("plain", 1, START, 10, 10, 0, 0, 0, 4_500, 9_000, *limits)
    # the error read a fresh row; the entity without a row has no age
    assert late == ("plain", 1, START + HOUR, 3, 1, 1, 1, 2, pytest.approx(5_400_500), 3 * HOUR, *limits)


def test_a_group_has_come_as_far_as_the_slowest_partition_of_its_sources(database: Client) -> None:
    other = replace(landed(), name="looked_up")
    lookup = Lookup(other, on={"carrier": "carrier"}, columns={"former": "delay"})
    groups = [plain, replace(plain, name="looking", lookups=[lookup])]
    record(database, [compile_group(group) for group in groups], 1)
    lines = [["landed", 0, START + 5, 7], ["landed", 1, START + 9, 3], ["landed", 0, START + 2, 1]]
    database.insert("log_clock", lines, column_names=["topic", "partition", "log_time", "offset"])
    columns = ["group", "version", "at", "clock", "newest", "log_time"]
    now = wall_ms()  # reports of long ago are not kept
    told = [
        ["plain", 1, now, START + 2, START + 5, now],
        ["plain", 1, now + 1, None, None, now],
    ]
    database.insert("group_freshness", told[:1], column_names=columns)
    shown = ", ".join(f"toUnixTimestamp64Milli({c})" for c in ("log_time", "online_clock", "reported_at"))
    sql = f"SELECT group, version, {shown}, on_stale FROM group_clocks ORDER BY group"
    assert rows(database, sql) == [
        ("looking", 1, None, None, None, "serve"),
        ("plain", 1, START + 5, START + 2, now, "serve"),
    ]
    database.insert("group_freshness", told[1:], column_names=columns)  # Redis does not answer
    assert rows(database, sql)[1] == ("plain", 1, START + 5, None, now + 1, "serve")


def test_answers_of_before_defaults_were_kept_are_counted_too(database: Client) -> None:
    publish(database, [answer("a", START)])
    database.command("ALTER TABLE model_prediction_log DROP COLUMN `rows.defaulted`")
    database.command(
        "ALTER TABLE model_prediction_log ADD COLUMN `rows.defaulted` Array(Bool) AFTER `rows.age_ms`"
    )
    found = rows(database, "SELECT reads, fresh, defaulted, expected_max_lag_ms FROM freshness_hourly")
    assert found == [(1, 1, 0, None)]  # the group was never applied


def test_a_holdout_is_seen_by_tenths(database: Client) -> None:
    lines = [["e", n, n / 100, float(n >= 50)] for n in range(100)]
    database.insert("holdout_predictions", lines, ["experiment_id", "position", "prediction", "label"])
    found = rows(database, "SELECT tenth, rows, predicted, observed FROM holdout_calibration ORDER BY tenth")
    assert [row[0] for row in found] == list(range(10))
    assert found[0] == (0, 10, pytest.approx(0.045), 0.0)
    assert found[9] == (9, 10, pytest.approx(0.945), 1.0)


def test_a_training_set_is_found_by_what_an_experiment_states(database: Client) -> None:
    columns = ["name", "version", "table_name", "model_name", "group_versions", "sql", "rows", "content_hash"]
    database.insert("datasets", [["late", 3, "t", MODEL, '{"plain": 1}', "", 7, "abc"]], column_names=columns)
    found = rows(
        database,
        "SELECT rows, content_hash, group_versions FROM training_sets "
        "WHERE training_dataset_version = 'late@3'",
    )
    assert found == [(7, "abc", '{"plain": 1}')]


def test_the_cost_of_predictions_is_in_bytes_of_the_tables(database: Client) -> None:
    (empty, *_) = rows(database, "SELECT predictions, bytes_per_thousand FROM prediction_cost")
    assert empty == (0, None)
    answering(database)
    (one,) = rows(
        database,
        "SELECT predictions, rows, bytes, bytes_per_thousand FROM prediction_cost "
        "WHERE table = 'model_prediction_log'",
    )
    predictions, held, size, per_thousand = one
    parts = "sum(bytes_on_disk) FROM system.parts WHERE active AND database = currentDatabase()"
    assert rows(database, f"SELECT {parts} AND table = 'model_prediction_log'") == [(size,)]
    assert predictions == 12
    assert held >= 13
    assert per_thousand == pytest.approx(size * 1000 / 12)


def test_the_document_lists_every_view_and_table_of_experiments() -> None:
    made = []
    for name, what in (
        ("0013_reports.sql", "VIEW"),
        ("0020_model_versions.sql", "VIEW"),
        ("0021_routing.sql", "VIEW"),
        ("0017_experiments.sql", "TABLE"),
        ("0021_routing.sql", "TABLE"),
    ):
        begin = rf"^CREATE {what} IF NOT EXISTS (\w+)"
        made += re.findall(begin, (MIGRATIONS / name).read_text(), re.MULTILINE)
    listed = re.findall(r"^\| `(\w+)` \| an? ", (ROOT / "docs" / "reports.md").read_text(), re.MULTILINE)
    assert listed == made
