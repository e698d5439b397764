import pytest

from benchmarks.backfill import BILLION, END, differences, generate, growth, plan, range_windows
from benchmarks.common import Result, warehouse
from warehouse.backfill import backfill


def test_a_value_that_differs_is_found() -> None:
    with warehouse(memory_mb=1024) as running:
        client = running.client
        generate(client, plan(), 5_000)
        cost = running.measured(lambda: backfill(client, plan(), 0, END))
        assert cost.seconds > 0
        assert cost.peak_mb > 0
        range_windows(client, limit_s=600)
        compared, unlike = differences(client, "clickhouse")
        assert compared > 1_000
        assert unlike == 0
        client.command(
            "CREATE TABLE wrong ENGINE MergeTree ORDER BY (card, id) AS "
            "SELECT * REPLACE (amount_max_7d + 0.01 AS amount_max_7d) FROM clickhouse"
        )
        assert differences(client, "wrong")[1] > 0


@pytest.mark.parametrize(("second", "billion"), [(20.0, 10_000.0), (10.0, 5_000.0), (40.0, 10_000_000.0)])
def test_a_billion_is_told_by_the_growth_and_never_by_less_than_proportion(
    second: float, billion: float
) -> None:
    held = [Result("a size", "Augury", "time", seconds, "s") for seconds in (10.0, second)]
    found = growth(held, [BILLION // 1_000, BILLION // 500])
    assert found[0].value == pytest.approx(billion)


def test_one_size_tells_no_growth() -> None:
    assert growth([Result("a size", "Augury", "time", 10.0, "s")], [BILLION]) == []
