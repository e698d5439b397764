"""The reference of drift checks: what a model was trained on, frozen with its experiment."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from features.policies import DriftPolicy
from features.project import Project
from flows.divergence import CHI_SQUARED, KS, PSI, WASSERSTEIN
from flows.watched import methods, reference
from warehouse.bins import Bins
from warehouse.client import Client
from warehouse.drift import MAX_LEVELS, count, levels, quantiles
from warehouse.outcomes import keep_holdout
from warehouse.references import DECILES, Reference, keep
from warehouse.samples import PREDICTION, Sample

ROWS_A_LEVEL = 10
"""Of so many rows a level of a category none that is as frequent as the others is likely to be missing."""


def freeze(
    client: Client,
    project: Project,
    model_name: str,
    experiment_id: str,
    table: str,
    scores: ArrayLike,
    labels: ArrayLike,
) -> None:
    """Freeze the references of all that watches a model's features, and its holdout for monitoring policies.

    `table` is the training set's. `scores`, shape (n,), are the model's predictions of what it was not
    trained on, `labels` what came true: those on the training set itself would be too sure. Raises
    `NothingWatchedError`.
    """
    keep_holdout(client, experiment_id, np.asarray(scores).tolist(), np.asarray(labels).tolist())
    for policy in project.watching(model_name):
        keep(client, experiment_id, policy.name, references(client, project, policy, table, scores))


def references(
    client: Client, project: Project, policy: DriftPolicy, table: str, scores: ArrayLike
) -> list[Reference]:
    """Give the references of one policy."""
    sample, how = reference(client, policy, project, table), methods(policy, project)
    held = {name: method for name, method in how.items() if name in sample.columns}
    numbers = [name for name, method in held.items() if method != CHI_SQUARED]
    shares = _shares(policy)
    asked = sorted({*DECILES, *shares})
    found = {
        name: dict(zip(asked, values, strict=True)) if values else {}
        for name, values in quantiles(client, sample, numbers, asked).items()
    }
    deciles = {name: tuple(held[i] for i in DECILES if held) for name, held in found.items()}
    bins = {name: Bins(edges(policy, [held[i] for i in shares if held])) for name, held in found.items()}
    counts = count(client, sample, bins)
    named, counted = categories(client, sample, [n for n in held if n not in bins], policy.min_rows)
    bins, counts = bins | named, counts | counted
    frozen = [
        Reference(name, held[name], bins[name], tuple(counts[name]), deciles.get(name, ())) for name in held
    ]
    return [*frozen, _of_scores(policy, scores)] if PREDICTION in how else frozen


def categories(
    client: Client, sample: Sample, names: Iterable[str], min_rows: int = 0
) -> tuple[dict[str, Bins], dict[str, list[int]]]:
    """Give the bins of categories and how many values are in each.

    Of more than `MAX_LEVELS` the most frequent have bins of their own. Those are chosen on one half of the
    sample and counted on the other: where they were chosen they are more frequent than elsewhere, and every
    window would seem to have drifted. So it is where a level has less than `ROWS_A_LEVEL` rows, for one that
    the sample happens to lack is in every window; unless a half has less than `min_rows`.
    """
    found = levels(client, sample, names, MAX_LEVELS + 1)
    all_known = {n: Bins(levels=tuple(known)) for n, known in found.items() if len(known) <= MAX_LEVELS}
    counts = count(client, sample, all_known)
    dense = {n: b for n, b in all_known.items() if not _is_sparse(counts[n], len(b.levels or ()), min_rows)}
    sparse = [name for name in found if name not in dense]
    chosen, rest = sample.halves()
    bins = {name: Bins(levels=tuple(known)) for name, known in levels(client, chosen, sparse).items()}
    return dense | bins, {name: counts[name] for name in dense} | count(client, rest, bins)


def _is_sparse(counts: Sequence[int], levels: int, min_rows: int) -> bool:
    return sum(counts[:-1]) < ROWS_A_LEVEL * levels and sum(counts) >= 2 * min_rows


def edges(policy: DriftPolicy, values: list[float]) -> tuple[float, ...]:
    """Make the upper bounds of bins out of a reference's quantiles, the last of which is its largest value.

    Observed values are bounds, so equal values never straddle one. For PSI, whose quantiles begin with the
    smallest value, what lies below that and above the largest has bins of its own, empty in the reference;
    so it is by any method where values never varied. KS goes by the bounds between values alone,
    Wasserstein's distance by these and both ends of what it measures.
    """
    if not values:
        return ()
    if policy.method == PSI or values[0] == values[-1]:
        return (float(np.nextafter(values[0], -np.inf)), *sorted(set(values[1:])))
    return tuple(sorted({v for v in values if v < values[-1] or policy.method == WASSERSTEIN}))


def _shares(policy: DriftPolicy) -> tuple[float, ...]:
    first = 1 if policy.method == KS else 0
    return tuple(i / policy.resolution for i in range(first, policy.resolution + 1))


def _of_scores(policy: DriftPolicy, scores: ArrayLike) -> Reference:
    """Freeze the scores of a holdout, which never were in the warehouse."""
    values = np.asarray(scores, dtype=np.float64)
    bounds = edges(policy, [float(v) for v in np.quantile(values, _shares(policy), method="lower")])
    counts = np.bincount(np.searchsorted(bounds, values, side="left"), minlength=len(bounds) + 1)
    deciles = tuple(float(v) for v in np.quantile(values, DECILES, method="lower"))
    return Reference(PREDICTION, policy.method, Bins(bounds), (*map(int, counts), 0), deciles)
