"""Evidently: its data drift preset, day by day against day 0. Arguments: folder, result."""

import json
import sys
from pathlib import Path
from time import perf_counter

import pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset

from benchmarks.peers.cost import tell

given, result = sys.argv[1:]
started = perf_counter()
reference, *days = sorted(Path(given).glob("day_*.parquet"))
held = pd.read_parquet(reference)
found = []
for day in days:
    report = Report([DataDriftPreset()]).run(pd.read_parquet(day), held)
    drifted = []
    for metric in report.dict()["metrics"]:
        config = metric["config"]
        if "column" not in config:
            continue
        threshold = config["threshold"]
        # of a p value small is drift, of a distance large
        small = "p_value" in config["method"]
        if metric["value"] < threshold if small else metric["value"] >= threshold:
            drifted.append(config["column"])
    found.append(drifted)
Path(result).write_text(json.dumps(found), encoding="utf-8")
tell(started)
