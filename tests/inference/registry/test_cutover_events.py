"""What a cut-over's events say of models that somebody promotes meanwhile."""

import threading
from itertools import count

import pytest

from inference.registry import ModelStatus, Registry
from tests.inference.registry.test_cutovers import PLAN, WHO, target
from tests.registered import register


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)  # SQLite has one writer at a time
def test_a_cut_over_waits_for_a_promotion_and_tells_what_it_has_made(url: str) -> None:
    ticks, promoting, cutting, go_on = count(1_000), threading.Event(), threading.Event(), threading.Event()

    def held() -> int:
        promoting.set()
        assert go_on.wait(60)
        return next(ticks)

    def passing() -> int:
        cutting.set()
        return next(ticks)

    plain, slow, other = (Registry(url, clock) for clock in (lambda: next(ticks), held, passing))
    plain.migrate()
    for _ in range(2):
        register(plain, PLAN.name, PLAN.to_dict())
    plain.promote("late", 1, **WHO)
    plain.start_trial("late", 2, share=0.1, **WHO)
    promotion = threading.Thread(target=lambda: slow.promote("late", 2, **WHO))
    cut_over = threading.Thread(target=lambda: other.cutovers.cut_over(1, target(2), **WHO))
    promotion.start()
    assert promoting.wait(60)
    cut_over.start()
    assert cutting.wait(60)  # it has read the models as they were
    go_on.set()
    for thread in (promotion, cut_over):
        thread.join(60)
    *_, promoted, last = plain.history.events("late")
    assert (promoted.kind, promoted.version, last.kind, last.version) == (
        "promoted",
        2,
        "features_cut_over",
        2,
    )
    assert (last.status, last.challenger_version, last.challenger_share) == (ModelStatus.CHAMPION, None, 0.0)
    for registry in (plain, slow, other):
        registry.close()
