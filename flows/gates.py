"""Gates: what a training set and a new version must be like before the version is registered.

Each gate gives one result, whose value names the worst feature. What cannot be judged, for want of a champion
or of rows, passes and says so.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from features.alerts import AlertedError
from features.policies import METRICS, GatePolicy
from features.training import BINARY
from features.types import DataType
from features.vector import ModelPlan
from flows.metrics import concordance
from flows.rows import LABEL, LABEL_TIME, PREDICTION_TIME, numbers
from inference.registry import GateResult
from warehouse.leakage import Changes

Column = NDArray[np.float64]
FEWEST = 50
"""Of so many rows of each class, or compared requests, a share or an AUC says something."""


class GateError(AlertedError):
    """Gates have refused a training set or a model; the text has each one's rule, value and consequence."""

    def __init__(self, model_name: str, failed: Sequence[GateResult]) -> None:
        self.failed = tuple(failed)
        told = "; ".join(f"{r.gate}: {r.rule} (found {r.value}), else {r.consequence}" for r in failed)
        super().__init__(f"{model_name} is not registered: {told}")


def schema(table: pa.Table, plan: ModelPlan) -> GateResult:
    """Judge the columns by the contract: all there, numbers, and of the values that their types allow."""
    faults = []
    for name in (PREDICTION_TIME, LABEL_TIME, LABEL, *plan.names):
        if name not in table.column_names:
            faults.append(f"no {name}")
        elif not _numeric(table.column(name).type):
            faults.append(f"{name} is {table.column(name).type}")
    faults += [
        f"{table.column(name).null_count} rows without {name}"
        for name in (PREDICTION_TIME, LABEL_TIME, LABEL)
        if name in table.column_names and table.column(name).null_count
    ]
    faults += [] if faults else _values(table, plan)
    return GateResult(
        "schema",
        not faults,
        "a training set has its times, its labels (0 and 1 of classes), and the contract's columns in their "
        "types",
        "; ".join(faults) or f"{len(plan.names)} features",
        "vectors would not be what serving gives",
    )


def rows(table: pa.Table, policy: GatePolicy) -> GateResult:
    """Judge how many labelled vectors there are."""
    return GateResult(
        "rows",
        len(table) >= policy.min_rows,
        f"a training set has at least {policy.min_rows} rows",
        str(len(table)),
        "what was learned would be chance",
    )


def missing(columns: Mapping[str, Column], reference: Mapping[str, Column], policy: GatePolicy) -> GateResult:
    """Judge the share of missing values of each feature, by itself and beside the champion's training set."""
    shares = {name: float(np.isnan(values).mean()) for name, values in columns.items()}
    before = {name: float(np.isnan(values).mean()) for name, values in reference.items()}
    rises = {name: share - before[name] for name, share in shares.items() if name in before}
    most, rise = _worst(shares), _worst(rises)
    broken = [
        *(f"{n}: {s:.1%}" for n, s in shares.items() if s > policy.max_missing_share),
        *(
            f"{n}: {before[n]:.1%} to {shares[n]:.1%}"
            for n, r in rises.items()
            if r > policy.max_missing_rise
        ),
    ]
    return GateResult(
        "missing values",
        not broken,
        f"a feature is missing in at most {policy.max_missing_share:.0%} of the rows, and in at most "
        f"{policy.max_missing_rise:.0%} more than in the champion's training set",
        "; ".join(broken) or f"most in {most}; rise most in {rise}",
        "the model would learn that a feed was broken",
    )


def anomalies(
    columns: Mapping[str, Column],
    reference: Mapping[str, Column],
    ranges: Mapping[str, tuple[float, float]],
    policy: GatePolicy,
) -> GateResult:
    """Judge values by the range that the contract states.

    Where it states none that is the range they had in the champion's training set, widened by itself on both
    sides. A feature that never varied there has no range, and is not judged.
    """
    shares = {}
    for name, values in columns.items():
        seen = values[~np.isnan(values)]
        possible = ranges.get(name) or _widened(reference.get(name))
        if seen.size and possible is not None:
            shares[name] = float(((seen < possible[0]) | (seen > possible[1])).mean())
    broken = [f"{n}: {s:.1%}" for n, s in sorted(shares.items()) if s > policy.max_anomalous_share]
    return GateResult(
        "anomalous values",
        not broken,
        f"at most {policy.max_anomalous_share:.1%} of a feature's values lie beyond the range that its "
        "contract states, or else further outside its range in the champion's training set than that is wide",
        "; ".join(broken)
        or (
            f"most in {_worst(shares)}" if shares else "not judged: there is neither a range nor a reference"
        ),
        "a unit or a meaning has changed under the old contract",
    )


def _widened(held: Column | None) -> tuple[float, float] | None:
    """Give the range of values, widened by itself on both sides; None where they do not vary."""
    known = np.array([]) if held is None else held[~np.isnan(held)]
    if not known.size or not (width := float(known.max() - known.min())) > 0:
        return None
    return float(known.min()) - width, float(known.max()) + width


def single_features(columns: Mapping[str, Column], labels: Column, policy: GatePolicy) -> GateResult:
    """Judge how well each feature alone ranks the label, by its value and by whether it is missing."""
    found = {}
    for name, values in columns.items():
        there = ~np.isnan(values)
        for text, ranked, of in ((name, values[there], labels[there]), (f"missing {name}", ~there, labels)):
            if _tellable(of):
                area = concordance(of, np.asarray(ranked, dtype=np.float64))
                found[text] = max(area, 1 - area)
    broken = [f"{n}: {a:.4f}" for n, a in found.items() if a > policy.max_feature_auc]
    return GateResult(
        "leakage by a single feature",
        not broken,
        f"no feature alone ranks the label with an AUC, or one less it, above {policy.max_feature_auc:g}",
        "; ".join(broken) or f"most {_worst(found, '{:.4f}')}",
        "it knows the label, as no request will",
    )


def changed_values(changes: Iterable[Changes], policy: GatePolicy) -> GateResult:
    """Judge what training reads of labels' records, by the requests and by later records."""
    judged = [c for c in changes if c.compared >= FEWEST]
    told = {c.name: c.share for c in judged}
    broken = [f"{c.name}: {c.changed} of {c.compared}" for c in judged if c.share > policy.max_changed_share]
    return GateResult(
        "leakage by changed values",
        not broken,
        f"of at most {policy.max_changed_share:.1%} of the requests training reads a value that they did not "
        "have, or that changes behind the label",
        "; ".join(broken)
        or (f"most in {_worst(told)}" if told else "not judged: no requests to compare with"),
        "training would know what comes after a request",
    )


def known_labels(table: pa.Table, policy: GatePolicy) -> GateResult:
    """Judge how many labels the log held before their predictions."""
    predicted, labelled = (numbers(table, name) for name in (PREDICTION_TIME, LABEL_TIME))
    share = float((labelled < predicted).mean()) if len(table) else 0.0
    return GateResult(
        "leakage by known labels",
        share <= policy.max_changed_share,
        f"at most {policy.max_changed_share:.1%} of the labels were in the log before their prediction",
        f"{share:.1%}",
        "features could hold the label itself",
    )


@dataclass(frozen=True)
class Comparison:
    """A metric of a new model and of the champion on the same `rows` holdout rows."""

    challenger: float
    champion: float
    version: int
    rows: int


def improvement(found: Comparison | str, policy: GatePolicy) -> GateResult:
    """Judge a model beside the champion; a text says why there is nothing to compare."""
    if isinstance(found, str):
        passed, value = True, f"not judged: {found}"
    else:
        gain = METRICS[policy.metric] * (found.challenger - found.champion)
        passed = not gain < policy.min_improvement  # where a class is absent there may be no value
        value = (
            f"{gain:+.4f}: {found.challenger:.4f}, version {found.version} has {found.champion:.4f}, "
            f"on {found.rows} rows"
        )
    return GateResult(
        "improvement",
        passed,
        f"by {policy.metric} it is better than the champion on the same holdout, "
        f"by at least {policy.min_improvement:g}",
        value,
        "a trial would spend requests on a worse model",
    )


def latency(p99_ms: float, policy: GatePolicy) -> GateResult:
    """Judge how long one vector takes."""
    return GateResult(
        "latency",
        p99_ms <= policy.max_latency_ms,
        f"one vector takes at most {policy.max_latency_ms:g} ms at the 99th percentile, where it is trained",
        f"{p99_ms:.3f} ms",
        "answers would be late",
    )


def size(file_bytes: int, policy: GatePolicy) -> GateResult:
    """Judge the size of the model's file."""
    return GateResult(
        "size",
        file_bytes <= policy.max_size_mb * 1e6,
        f"a model's file has at most {policy.max_size_mb:g} MB",
        f"{file_bytes / 1e6:.3f} MB",
        "doors would take long to load it, and run out of memory",
    )


def vectors(table: pa.Table, names: Iterable[str]) -> dict[str, Column]:
    """Give those of the columns that a table has; missing values are NaN."""
    return {name: numbers(table, name) for name in names if name in table.column_names}


def _tellable(labels: Column) -> bool:
    """Tell whether there are so many labels beside the most frequent one that their order says something."""
    _, counts = np.unique(labels, return_counts=True)
    return len(labels) - counts.max(initial=0) >= FEWEST and len(labels) >= 2 * FEWEST


def _numeric(kind: pa.DataType) -> bool:
    tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_timestamp)
    return any(test(kind) for test in tests)


def _values(table: pa.Table, plan: ModelPlan) -> list[str]:
    types = {g.name(p): g.features[p].type for g in plan.groups for p in g.positions}
    types |= {d.name: d.type for d in plan.on_demand}
    faults = []
    label = DataType.BOOLEAN if plan.task == BINARY else DataType.DOUBLE
    for name, kind in [(LABEL, label), *types.items()]:
        values = numbers(table, name)
        there = values[~np.isnan(values)]
        if not np.isfinite(there).all():
            faults.append(f"{name} has infinite values")
        elif kind is DataType.BOOLEAN and not np.isin(there, (0, 1)).all():
            faults.append(f"{name} is boolean and has values beside 0 and 1")
        elif kind is DataType.INTEGER and (there != np.round(there)).any():
            faults.append(f"{name} is an integer and has broken values")
    return faults


def _worst(found: Mapping[str, float], form: str = "{:.1%}") -> str:
    if not found:
        return "none"
    name = max(found, key=lambda n: (found[n], n))
    return f"{name} ({form.format(found[name])})"
