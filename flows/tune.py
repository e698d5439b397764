"""The flow that searches better parameters for a model's next training."""

from prefect import flow

from flows.parameters import Count, Minutes, ModelName, Moment
from flows.retrain import await_warehouse, build_dataset
from flows.triggers import TUNE
from flows.tuning import tune_on
from flows.validate import check_data


@flow(name=TUNE)
def tune(
    model_name: ModelName,
    study: str,
    at: Moment,
    trials: Count | None = None,
    minutes: Minutes | None = None,
    workers: Count = 1,
) -> int:
    """Search for `model_name` on what the log held at `at` (ms), and give the number of the best trial.

    `study` is the identity: a run for one that has begun goes on with its trials, and with its training set.
    """
    await_warehouse(at)
    dataset = build_dataset(model_name, study, at)
    check_data(model_name, study, dataset, at)
    return tune_on(model_name, study, dataset, at, trials=trials, minutes=minutes, workers=workers)
