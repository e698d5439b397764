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
    assert all(fixed(trial(rng, paired), peeking=True) for _ in range(5))
    nothing = by_name["split, 10 %: no better"]
    assert np.mean([fixed(trial(rng, nothing), peeking=False) for _ in range(200)]) == pytest.approx(
        0.05, abs=0.04
    )


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


def rejected(name: str, percent: float) -> list[Result]:
    return [
        Result(name, "Augury", "trials", 1_000, ""),
        Result(name, "Augury", "promoted", 0.0, "%"),
        Result(name, "Augury", "rejected as worse", percent, "%"),
    ]


@pytest.mark.parametrize(
    ("name", "most", "too_many"),
    [
        ("e-process: better", 7.3, 7.4),  # of 1,000 at 5 %: 74 have less than one chance in a thousand
        ("split, 10 %: as good, then better", 7.3, 7.4),
        ("sprt: better", 24.0, 24.1),  # at beta, 20 %
        ("sprt: as good, then better", 100.0, None),  # of its first half p1 is not the chance
        ("e-process: no better", 100.0, None),  # no error
        ("bernstein: worse, then as good", 100.0, None),
    ],
)
def test_rejections_of_what_is_better_are_told_where_they_are_too_many(
    name: str, most: float, too_many: float | None
) -> None:
    assert failed(rejected(name, most)) == []
    if too_many is not None:
        assert failed(rejected(name, too_many)) == [f"{name}: {too_many} % rejected as worse"]
    assert name in {work.name for work in works(fraud())}


@pytest.mark.parametrize(
    ("system", "power", "lost"),
    [
        ("e-process", 0.9, 0.1),
        ("asymptotic", 0.9, 0.1),
        ("bernstein", 0.9, 0.1),
        ("e-process, guarded", 0.9, 0.1),
        ("sprt", 0.6, 0.4),
        ("split, 10 %", 0.5, 0.4),
    ],
)
def test_looked_at_after_every_label_trials_err_as_stated_and_find_what_is_better(
    system: str, power: float, lost: float
) -> None:
    runs, by_name = 30, {work.name: work for work in works(fraud())}
    promoted: dict[str, float] = {}
    results: list[Result] = []
    for place, kind in enumerate(("no better", "worse, then as good", "better")):
        work, rng = by_name[f"{system}: {kind}"], np.random.default_rng(place)
        drawn = [trial(rng, work) for _ in range(runs)]
        results += figures(work, [judge(units, work.policy) for units in drawn])
        promoted[kind] = float(results[-3].value) / 100
        if kind == "better":  # beside the test of a fixed size on the same trials
            assert promoted[kind] >= np.mean([fixed(units, peeking=False) for units in drawn]) - lost
            if system == "e-process":  # in fewer units
                assert float(results[-1].value) < len(drawn[0]) / 2
    assert failed([*results, *bounds()]) == []
    assert promoted["worse, then as good"] <= 0.1  # better in no part of it
    assert promoted["better"] >= power
