"""Trainers: each learns a model of its kind, predicts with it, and gives it as ONNX."""

from features.training import TRAINERS
from flows.trainers.calibration import Calibrated, calibrate
from flows.trainers.contract import Examples, Fitted, Trainer, Values, Vectors
from flows.trainers.graph import served
from flows.trainers.histogram import HistogramBoosting
from flows.trainers.lightgbm import FittedTrees, LightGBM
from flows.trainers.linear import FittedPipeline, Linear
from flows.trainers.own import Own
from flows.trainers.xgboost import XGBoost

__all__ = [
    "Examples",
    "Fitted",
    "FittedPipeline",
    "Trainer",
    "Values",
    "Vectors",
    "calibrate",
    "served",
    "trainer",
    "trees_of",
]

_BROUGHT: tuple[Trainer, ...] = (LightGBM(), XGBoost(), Linear(), HistogramBoosting())


def trainer(name: str) -> Trainer:
    """Give the trainer that a model's definition names: one of `TRAINERS`, or a function of one's own."""
    return dict(zip(TRAINERS, _BROUGHT, strict=True)).get(name) or Own(name)


def trees_of(fitted: Fitted) -> str | None:
    """Give the trees behind a model, before any calibration, as LightGBM's text; None where it has none."""
    learned = fitted.fitted if isinstance(fitted, Calibrated) else fitted
    return learned.booster.model_to_string() if isinstance(learned, FittedTrees) else None
