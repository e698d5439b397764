"""Training sets of a few thousand rows: three features, one whole, one with gaps, and a label to learn."""

import numpy as np
import pyarrow as pa

FEATURES = ("delay", "count", "gaps")
SMALL = {"num_iterations": 20, "num_leaves": 7}


def table(n: int = 4_000, label_lag: int = 5_000, seed: int = 1, regression: bool = False) -> pa.Table:
    """Make a set of one row a second; each label arrives `label_lag` ms after its prediction."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3))
    x[:, 1] = np.round(x[:, 1] * 5)
    x[rng.random(n) < 0.2, 2] = np.nan
    score = 2 * x[:, 0] + x[:, 1] / 5 + np.nan_to_num(x[:, 2])
    at = 1_000_000 + np.arange(n, dtype=np.int64) * 1_000
    label = score + rng.normal(size=n) if regression else rng.random(n) < 1 / (1 + np.exp(-score))
    return pa.table(
        {
            **{name: x[:, i] for i, name in enumerate(FEATURES)},
            "prediction_time": pa.array(at).cast(pa.timestamp("ms", "UTC")),
            "label_time": pa.array(at + label_lag).cast(pa.timestamp("ms", "UTC")),
            "label": label,
        }
    )
