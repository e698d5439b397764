"""The prediction route of the HTTP door: one thread, and batches made of what is there.

Requests that come while others are being answered are answered together: one multi-get, one run of each
model, one write to the log. Nothing waits for a batch to fill, and no request changes threads on its way.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http import HTTPStatus
from typing import NamedTuple

from redis import RedisError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from inference.bodies import encode, joined, prediction, requests_of
from inference.log import AnswerLog
from inference.metrics import Metrics
from inference.models import Models
from inference.predictor import Answer, Predictor
from inference.problems import kind_of, problem, problem_of
from inference.recent import RecentAnswers
from inference.records import Request, RequestError
from inference.spool import SpoolError
from schemas.tracing import Tracing, parent_of

DOOR, ROUTE = "http", "/v1/predict"
_BATCH = 256
_SHADOWS = 10_000  # answers that wait for their shadow; beyond, the door itself waits for one
_BODY_BYTES = 1 << 20
_BODY_SECONDS = 10.0
_JSON = [(b"content-type", b"application/json")]
_LOG = logging.getLogger(__name__)


class _Reply(NamedTuple):
    """The body of an answer, and what it is told as when it is an error and alone: its problem and why."""

    body: bytes
    problem: str | None = None
    why: str = ""


class _Waiting(NamedTuple):
    """The requests of one call, when they came (ms since the epoch), and who waits for the answers.

    `trace` is the call's `traceparent`, empty where nobody traces it.
    """

    requests: list[Request]
    received: int
    trace: str
    answers: asyncio.Future[list[_Reply]]


class Door:
    """Answers `POST /v1/predict`; an ASGI application.

    At most `limit` requests are in the door at a time; more are told to come again (429). `clock` gives ms
    since the epoch. An answer is in the log before it leaves; a shadow's turn comes afterwards.
    """

    def __init__(
        self,
        models: Models,
        predictor: Predictor,
        log: AnswerLog,
        clock: Callable[[], int],
        limit: int,
        metrics: Metrics,
        tracing: Tracing | None = None,
    ) -> None:
        self._metrics = metrics
        self._tracing = tracing
        self._models = models
        self._predictor = predictor
        self._log = log
        self._clock = clock
        self._limit = limit
        self._recent = RecentAnswers(clock)
        self._queue: deque[_Waiting] = deque()
        self._inside = 0
        self._shadows = ThreadPoolExecutor(1, "shadow")
        self._sent = self._done = 0  # answers to the shadow's thread, and back from it

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call."""
        if self._tracing is None:
            await self._answer_call(scope, receive, send)
            return
        with self._tracing.served(scope["method"], ROUTE, parent_of(scope["headers"])) as span:

            async def watched(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.answered(message["status"])
                await send(message)

            await self._answer_call(scope, receive, watched, span.traceparent)

    async def _answer_call(self, scope: Scope, receive: Receive, send: Send, trace: str = "") -> None:
        try:
            body = await self._predict(scope, receive, trace)
        except Exception as error:
            if not isinstance(error, RequestError | HTTPException | RedisError | SpoolError):
                _LOG.exception("a request was not answered")
            self._metrics.refused(DOOR, kind_of(error))
            await problem_of(error)(scope, receive, send)
            return
        if isinstance(body, Response):
            await body(scope, receive, send)
            return
        headers = [*_JSON, (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def close(self) -> None:
        """Let the shadows that wait have their turn."""
        self._shadows.shutdown()

    async def _predict(self, scope: Scope, receive: Receive, trace: str) -> bytes | Response:
        if scope["method"] != "POST":
            raise HTTPException(
                HTTPStatus.METHOD_NOT_ALLOWED,
                f"predictions are asked for by POST, so nothing was done; this was {scope['method']}",
                {"Allow": "POST"},
            )
        received = self._clock()
        requests, batch = requests_of(await _body(receive))
        if self._inside + len(requests) > self._limit and self._inside:
            self._metrics.shed(DOOR, len(requests))
            raise RequestError(
                "busy",
                f"the door holds {self._limit} requests at a time, so nothing was done; {self._inside} are "
                f"inside, and this call brings {len(requests)}: come again",
            )
        self._inside += len(requests)
        self._metrics.entered(DOOR, len(requests))
        try:
            await self._load_pinned(requests)
            replies = await self._submit(requests, received, trace)
        finally:
            self._inside -= len(requests)
            self._metrics.left(DOOR, len(requests))
        if batch:
            return joined([reply.body for reply in replies])
        ((body, kind, why),) = replies
        if kind is None:
            return body
        return problem(kind, why, request_id=requests[0].request_id)

    async def _load_pinned(self, requests: Sequence[Request]) -> None:
        """Load versions on their first use, in a thread: others are answered meanwhile."""
        for name, version in {(r.model_name, r.model_version) for r in requests if r.model_version}:
            if not self._models.holds(name, version):
                with suppress(Exception):  # the request itself is told
                    await asyncio.to_thread(self._models.version, name, version)

    def _submit(self, requests: list[Request], received: int, trace: str) -> Awaitable[list[_Reply]]:
        loop = asyncio.get_running_loop()
        waiting = _Waiting(requests, received, trace, loop.create_future())
        if not self._queue:
            loop.call_soon(self._flush)  # behind all that has been received by now
        self._queue.append(waiting)
        return waiting.answers

    def _flush(self) -> None:
        batch = [self._queue.popleft()]
        size = len(batch[0].requests)
        while self._queue and size + len(self._queue[0].requests) <= _BATCH:
            batch.append(self._queue.popleft())
            size += len(batch[-1].requests)
        if self._queue:
            asyncio.get_running_loop().call_soon(self._flush)
        try:
            self._answer(batch)
        except (RedisError, SpoolError) as error:  # nobody else's request would fare better
            _fail(batch, error)
        except Exception as error:
            if len(batch) == 1:
                _fail(batch, error)
                return
            for waiting in batch:  # whose fault it is shows here
                try:
                    self._answer([waiting])
                except Exception as own:
                    _fail([waiting], own)

    def _answer(self, batch: Sequence[_Waiting]) -> None:
        requests = [request for waiting in batch for request in waiting.requests]
        received = [waiting.received for waiting in batch for _ in waiting.requests]
        known = [self._recent.get(request) for request in requests]
        replies = [_Reply(body or b"") for body in known]
        new = [place for place, body in enumerate(known) if body is None]
        answers = self._predictor.predict([requests[i] for i in new], DOOR, [received[i] for i in new])
        traces = [waiting.trace for waiting in batch for _ in waiting.requests] if self._tracing else []
        self._log.results([answer.result for answer in answers], [traces[i] for i in new] if traces else ())
        self._metrics.answered(DOOR, answers)
        self._metrics.batched(DOOR, len(requests))
        self._shadow(answers)
        for place, answer in zip(new, answers, strict=True):
            body = encode(prediction(answer.result))
            replies[place] = _Reply(body, answer.problem, answer.result.error or "")
            if answer.problem is None:  # who asks again after an error may have more luck
                self._recent.put(requests[place], body)
        start = 0
        for waiting in batch:
            end = start + len(waiting.requests)
            if not waiting.answers.done():  # who has gone away is not told
                waiting.answers.set_result(replies[start:end])
            start = end

    def _shadow(self, answers: Sequence[Answer]) -> None:
        due = [answer for answer in answers if answer.job is not None and answer.job.shadow is not None]
        if not due:
            return
        self._sent += len(due)
        running = self._shadows.submit(self._run_shadow, due)
        if self._sent - self._done > _SHADOWS:
            running.result()

    def _run_shadow(self, answers: Sequence[Answer]) -> None:
        try:
            results = self._predictor.shadow(answers)
            self._log.shadows(results)
            self._metrics.shadowed(results)
        except Exception:
            _LOG.exception("the shadow of %d answers is not in the log", len(answers))
        finally:
            self._done += len(answers)


def _fail(batch: Sequence[_Waiting], error: Exception) -> None:
    for waiting in batch:
        if not waiting.answers.done():
            waiting.answers.set_exception(error)


async def _body(receive: Receive) -> bytes:
    """Read a body; it is counted as it comes, whatever its length was said to be."""
    message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body"):
        parts, size = [body], len(body)
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                while message.get("more_body") and size <= _BODY_BYTES:
                    message = await receive()
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
        except TimeoutError:
            raise HTTPException(
                HTTPStatus.REQUEST_TIMEOUT,
                f"a body comes within {_BODY_SECONDS:.0f} s, so nothing was done; {size} bytes of it have",
            ) from None
        body = b"".join(parts)
    if message["type"] == "http.disconnect":
        raise HTTPException(HTTPStatus.BAD_REQUEST, "the client has gone before its request was whole")
    if len(body) > _BODY_BYTES:
        raise HTTPException(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"a body has at most {_BODY_BYTES} bytes; this one has more, so nothing was done",
        )
    return body
