from dataclasses import replace

import numpy as np
import pytest

from benchmarks.common import Result
from benchmarks.trials import bounds, failed, figures, fixed, fraud, trial, works
from flows.trial import judge


def test_the_trials_are_drawn_as_they_are_named() -> None:
    by_name = {work.name: work for work in works(fraud())}
    rng = np.random.default_rng(1)
    work = by_name["split, 10 %: better"]
    drawn = trial(rng, work)
    assert np.mean([u.assigned for u in drawn]) == pytest.approx(0.1, abs=0.03)
    paired = by_name["e-process: better"]
    verdict = judge(trial(rng, paired), replace(paired.policy, min_units=2_000))
    assert (verdict.wins - verdict.losses) / verdict.n_units == pytest.approx(0.08, abs=0.05)
    assert fixed([trial(rng, paired) for _ in range(5)], peeking=True) == 1.0


def test_a_rate_above_alpha_and_another_boundary_are_told() -> None:
    (work,) = (w for w in works(fraud()) if w.name == "e-process: no better")
    rng = np.random.default_rng(2)
    found = [*figures(work, [judge(trial(rng, work), work.policy) for _ in range(5)]), *bounds()]
    assert failed(found) == []
    loud = [
        Result(work.name, "Augury", "trials", 100, ""),
        Result(work.name, "Augury", "promoted", 30.0, "%"),
    ]
    assert failed(loud) == ["e-process: no better: 30.0 % promoted"]
    off = [replace(r, value=27.7) if r.system == "Augury" and "normal" in r.workload else r for r in bounds()]
    assert len(failed(off)) == 1
