"""Labels that count, by the rule of trials (`flows/ledger.py`), as a join in SQL."""

from collections.abc import Sequence

LAST = "argMax(label, (log_time, happened_at, label))"
"""Of several reports of a request in `ground_truth` the last that the log took."""


def on_time(answers: str, carried: Sequence[str], *, until: str, horizon: str) -> str:
    """Join answers with labels: `request_id`, the `carried` columns, `label`, and when the first `arrived`.

    `answers` is a SELECT with `request_id` and `requested`, a row for each request. `until` is an SQL time,
    before which the log is read, and `horizon` ms in SQL. A report counts that the log took within `horizon`
    of the request, and that came true no earlier than the request. Of several the last that the log took
    counts; one that was sent again is as old as the first of its kind. The query takes `{model:String}`.
    """
    held = "".join(f"any(answered.{name}) AS {name}, " for name in carried)
    return (
        f"SELECT answered.request_id AS request_id, {held}"
        "argMax(truth.label, (taken, happened, truth.label)) AS label, min(taken) AS arrived "
        f"FROM ({answers}) AS answered INNER JOIN ("
        "SELECT request_id, label, happened_at AS happened, min(log_time) AS taken FROM ground_truth "
        f"WHERE model_name = {{model:String}} AND log_time < {until} GROUP BY request_id, label, happened_at"
        ") AS truth ON truth.request_id = answered.request_id "
        f"WHERE happened >= answered.requested AND taken <= addMilliseconds(answered.requested, {horizon}) "
        "GROUP BY request_id"
    )
