"""The answers that were given lately: a request that is sent again gets the same one."""

from collections import OrderedDict
from collections.abc import Callable

from inference.predictor import Answer
from inference.records import Request

_WINDOW_MS = 60_000
_ANSWERS = 10_000


class RecentAnswers:
    """Keeps the last 10,000 predictions for up to a minute, by the whole request; `clock` gives ms.

    Errors are not kept: who asks again may have more luck.
    """

    def __init__(self, clock: Callable[[], int], window_ms: int = _WINDOW_MS, most: int = _ANSWERS) -> None:
        self._clock = clock
        self._window_ms = window_ms
        self._most = most
        self._answers: OrderedDict[tuple[str, str], tuple[int, Request, Answer]] = OrderedDict()

    def get(self, request: Request) -> Answer | None:
        """Give the answer to the same request, where it is still kept."""
        found = self._answers.get((request.model_name, request.request_id))
        if found is None or found[0] < self._clock() or found[1] != request:
            return None
        return found[2]

    def put(self, request: Request, answer: Answer) -> None:
        """Keep an answer, and let go of what is too old or too much."""
        if answer.problem is not None:
            return
        now = self._clock()
        kept = Answer(answer.result, None, None)
        key = request.model_name, request.request_id
        self._answers.pop(key, None)  # the newest is last
        self._answers[key] = now + self._window_ms, request, kept
        while len(self._answers) > self._most or next(iter(self._answers.values()))[0] < now:
            self._answers.popitem(last=False)
