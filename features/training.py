"""How a model is trained, as its definition states it: the task, the trainer, its threshold."""

import re

from features.errors import DefinitionError

BINARY, REGRESSION = "binary", "regression"
TASKS = (BINARY, REGRESSION)
"""What is predicted: the chance of the positive class, or a number."""
TRAINERS = ("lightgbm", "xgboost", "linear", "histogram_boosting")
"""The trainers that Augury brings: LightGBM, XGBoost, and scikit-learn's."""
_OWN = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")

Parameter = float | int | str | bool


def check_training(place: str, trainer: str, task: str, calibrate: bool, threshold: float) -> None:
    """Check what a model's definition says of its training. Raises `DefinitionError`."""
    if task not in TASKS:
        rule = f"a model's task is one of {', '.join(TASKS)}: an answer is one number"
        raise DefinitionError(place, rule, "nothing could serve it", task)
    if trainer not in TRAINERS and not _OWN.fullmatch(trainer):
        rule = f"a trainer is one of {', '.join(TRAINERS)}, or a function of one's own as module:function"
        raise DefinitionError(place, rule, "nothing could train it", trainer)
    if calibrate and task != BINARY:
        rule = "chances are calibrated, and a regression gives none"
        raise DefinitionError(place, rule, "there would be nothing to fit", task)
    if not 0 < threshold < 1:
        rule = "the decision threshold is a chance between 0 and 1"
        raise DefinitionError(place, rule, "all answers would be of one class", threshold)
