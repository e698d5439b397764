from augury.spelling import spelled


def test_values_are_spelled_by_their_names() -> None:
    for name, value, text in (
        ("holdout_start", 1358208000000.0, "2013-01-15 00:00:00 UTC"),
        ("since", 1367758080000, "2013-05-05 12:48:00 UTC"),
        ("horizon_ms", 1367758080000, "1,367,758,080,000"),
        ("rows", 1000.0, "1,000"),
        ("auc", 0.712345678, "0.7123"),
        ("won", True, "yes"),
        ("nothing", None, ""),
        (
            "guards",
            {"rmse": 0.123456789, "since": 1358208000000},
            "rmse 0.1235, since 2013-01-15 00:00:00 UTC",
        ),
        ("arms", [{"n": 1}, {"n": 2}], "n 1; n 2"),
    ):
        assert spelled(name, value) == text
