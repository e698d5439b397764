"""The project of the fault runs: the small model of the serving benchmark, and its group."""

from benchmarks.serving_cases import SMALL, model

small = model(SMALL)
