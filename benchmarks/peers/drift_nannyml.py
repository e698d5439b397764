"""NannyML: its univariate calculator, fitted on ten chunks or more of day 0. Arguments: folder, result."""

import json
import sys
import warnings
from pathlib import Path
from time import perf_counter

import nannyml
import pandas as pd

from benchmarks.peers.cost import tell

warnings.simplefilter("ignore", UserWarning)  # that there are few chunks
nannyml.disable_usage_logging()
given, result = sys.argv[1:]
started = perf_counter()
reference, *days = sorted(Path(given).glob("day_*.parquet"))
held = pd.read_parquet(reference)
names = list(held.columns)
found: list[list[str]] = []
calculator = None
for day in days:
    rows = pd.read_parquet(day)
    if calculator is None:
        size = min(len(rows), len(held) // 10)  # its thresholds come from the reference's chunks
        calculator = nannyml.UnivariateDriftCalculator(column_names=names, chunk_size=size).fit(held)
    table = calculator.calculate(rows).filter(period="analysis").to_df()
    found.append([name for name in names if bool(table[name]["jensen_shannon"]["alert"].any())])
Path(result).write_text(json.dumps(found), encoding="utf-8")
tell(started)
