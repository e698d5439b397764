"""Answers of a champion and of a challenger, as the sink writes them."""

from collections.abc import Sequence

from warehouse.client import Client

_COLUMNS = (
    *("deduplication_key", "request_id", "model_name", "model_version_used", "variant", "door"),
    *("prediction", "error", "requested_at", "predicted_at", "latency_total_ms", "log_time"),
)


def answered(
    client: Client,
    model_name: str,
    version: int,
    variant: str,
    at: Sequence[int],
    latencies: Sequence[float],
    errors: Sequence[bool],
    *,
    prediction: float = 0.5,
    key: str | None = None,
    given: int | None = None,
) -> None:
    """Log one answer for each time of `at` (ms), with its latency (ms); an error has no prediction.

    It is given at the time that it is asked at, where `given` says no other.
    Their requests are `<variant>.<version>/<time>/<place>`, or all the one that `key` names.
    """
    ids = [key or f"{variant}.{version}/{moment}/{i}" for i, moment in enumerate(at)]
    lines = [
        [
            *(name, name, model_name, version, variant, "http"),
            *(None if failed else prediction, "it failed" if failed else None),
            *(moment, moment if given is None else given, took, moment),
        ]
        for name, moment, took, failed in zip(ids, at, latencies, errors, strict=True)
    ]
    client.insert("model_prediction_log", lines, column_names=_COLUMNS)


def came_true(
    client: Client,
    model_name: str,
    request_ids: Sequence[str],
    label: float,
    at: int,
    taken: int | None = None,
) -> None:
    """Log one label for each request, true at `at` (ms), when the log took it where `taken` says no other."""
    lines = [
        [request_id, model_name, label, at, at if taken is None else taken] for request_id in request_ids
    ]
    columns = ("request_id", "model_name", "label", "happened_at", "log_time")
    client.insert("ground_truth", lines, column_names=columns)
