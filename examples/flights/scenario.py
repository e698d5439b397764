"""The flights as a demo: four months of history, a model of the first, and two weeks live, with drift."""

from datetime import UTC, datetime

import lightgbm
import numpy as np
import pandas as pd
import pyarrow as pa

from augury.demo.scenario import Scenario
from examples.flights.data import flights
from examples.flights.events import events, ground_truth, requests
from examples.flights.project import late_arrival, origin_departures, weather_drift
from flows.metrics import auc


def _moment(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def prior_auc(rows: pa.Table, holdout_start: int) -> float:
    """Give the AUC of a model of carrier, route and scheduled hour alone, on the same rows.

    `rows` has request_id, prediction_time, label_time and label; what had arrived before `holdout_start`
    (ms) trains, what is predicted from then on tests.
    """
    table = rows.select(["request_id", "prediction_time", "label_time", "label"]).to_pandas()
    known = flights().set_index("flight_id").loc[table["request_id"]]
    local = pd.to_datetime(known["scheduled_departure"], unit="ms", utc=True).dt.tz_convert(
        "America/New_York"
    )
    vectors = np.column_stack(
        [
            pd.factorize(known["carrier"])[0],
            pd.factorize(known["origin"] + known["dest"])[0],
            local.dt.hour.to_numpy(),
        ]
    )
    labels = table["label"].to_numpy(dtype=np.float64)
    start = pd.Timestamp(holdout_start, unit="ms", tz="UTC")
    train = (table["label_time"] < start).to_numpy() & (table["prediction_time"] < start).to_numpy()
    test = (table["prediction_time"] >= start).to_numpy()
    data = lightgbm.Dataset(vectors[train].astype(np.float64), labels[train], categorical_feature=[0, 1])
    settings = {"objective": "binary", "verbosity": -1, "learning_rate": 0.05, "num_threads": 1, "seed": 1}
    model = lightgbm.train(settings, data, num_boost_round=150)
    return auc(labels[test], np.asarray(model.predict(vectors[test].astype(np.float64))))


scenario = Scenario(
    model=late_arrival,
    drift=weather_drift,
    start=_moment("2013-01-01T00:00"),
    trained_at=_moment("2013-02-01T09:00"),
    live_from=_moment("2013-05-01T09:00"),
    drift_at=_moment("2013-05-05T09:00"),
    end=_moment("2013-05-16T09:00"),
    events=events,
    requests=requests,
    ground_truth=ground_truth,
    prior_auc=prior_auc,
    probe=origin_departures,
)
