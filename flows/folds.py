"""Folds of a study, each a fit and its loss, in processes of their own."""

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from signal import SIG_IGN, SIGINT, signal
from threading import Thread

from features.training import Parameter
from flows.metrics import metric
from flows.rows import Rows
from flows.splits import newest, rolling
from flows.study import Study
from flows.training import fit


class Folds:
    """The folds of a study on a training set, oldest first.

    None of them has a row of the training's holdout, so what is found is judged there by rows that nothing
    was chosen by. Raises `TrainingDataError` where there are too few rows for that.
    """

    def __init__(self, study: Study, rows: Rows) -> None:
        self._study = study
        self._rows = rows.take(newest(rows, study.recipe.holdout_share).known)
        self._splits = rolling(self._rows, study.folds)

    def loss(self, hyperparameters: Mapping[str, Parameter], fold: int) -> float:
        """Learn from what was known as a fold began, and give the loss on its rows."""
        split = self._splits[fold]
        held = self._rows.take(split.held)
        recipe = self._study.recipe_of(hyperparameters)
        fitted = fit(self._rows.take(split.known), recipe, split.start)
        return metric(self._study.metric, 0.0)(held.labels, fitted.predict(held.vectors))


@dataclass(frozen=True)
class Pool:
    """Processes that compute losses."""

    executor: ProcessPoolExecutor

    def loss(self, hyperparameters: Mapping[str, Parameter], fold: int) -> "Future[float]":
        """Have `Folds.loss` computed."""
        return self.executor.submit(_loss, dict(hyperparameters), fold)


@contextmanager
def processes(folds: Folds, workers: int) -> Iterator[Pool]:
    """Give `workers` processes; they end with the block, at once, and also where this process is killed.

    They start anew, and do not share threads and locks of libraries with this one.
    """
    context = get_context("spawn")
    ended, alive = context.Pipe(duplex=False)  # only this process holds `alive`
    executor = ProcessPoolExecutor(workers, context, _begin, (folds, ended))
    try:
        yield Pool(executor)
    finally:
        alive.close()
        executor.shutdown(cancel_futures=True)
        ended.close()


_folds: list[Folds] = []


def _begin(folds: Folds, ended: Connection) -> None:
    signal(SIGINT, SIG_IGN)  # a terminal sends it to all; who asks decides
    Thread(target=_end_with, args=(ended,), daemon=True).start()
    _folds[:] = [folds]


def _end_with(ended: Connection) -> None:
    ended.poll(None)  # nothing is ever sent: this returns where the other end is closed
    os._exit(0)


def _loss(hyperparameters: Mapping[str, Parameter], fold: int) -> float:
    return _folds[0].loss(hyperparameters, fold)
