"""The prediction route of the HTTP door: one thread, and batches made of what is there.

Requests that come while others are being answered are answered together: one multi-get, one run of each
model, one write to the log. Nothing waits for a batch to fill, and no request changes threads on its way.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from http import HTTPStatus
from typing import NamedTuple

from redis import RedisError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from inference.bodies import Predictions, encode, prediction, requests_of
from inference.log import AnswerLog
from inference.metrics import Metrics
from inference.models import Models
from inference.predictor import Answer, Predictor
from inference.problems import kind_of, problem, problem_of
from inference.recent import RecentAnswers
from inference.records import Request, RequestError
from inference.spool import SpoolError
from schemas.tracing import Headers, Span, Tracing, parent_of

DOOR, ROUTE = "http", "/v1/predict"
_BATCH = 256
_SHADOWS = 10_000  # answers that wait for their shadow; beyond, the door itself waits for one
_BODY_BYTES = 1 << 20
_BODY_SECONDS = 10.0
_JSON = [(b"content-type", b"application/json")]
_LOG = logging.getLogger(__name__)


class _Waiting(NamedTuple):
    """The requests of one call, when they came (ms since the epoch), and who waits for the answers.

    `trace` is the call's `traceparent`, empty where nobody traces it.
    """

    requests: list[Request]
    received: int
    trace: str
    answers: asyncio.Future[list[Answer]]


class Form(NamedTuple):
    """A protocol of the door: its route, what reads a call's body and answers it, and what tells an error.

    `answer` takes the call's scope and body, when it came (ms since the epoch) and its `traceparent`.
    """

    route: str
    answer: Callable[[Scope, bytes, int, str], Awaitable[bytes | Response]]
    refusal: Callable[[Exception], Response]


class Door:
    """Answers `POST /v1/predict`, an ASGI application, and the calls of other protocols.

    At most `limit` requests are in the door at a time; more are told to come again (429). `clock` gives ms
    since the epoch. An answer is in the log before it leaves, under the door's `name`; a shadow's turn comes
    afterwards.
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
        name: str = DOOR,
    ) -> None:
        self._name = name
        self._metrics = metrics
        self._tracing = tracing
        self._models = models
        self._predictor = predictor
        self._log = log
        self._clock = clock
        self._limit = limit
        self._form = Form(ROUTE, self._predict, problem_of)
        self._recent = RecentAnswers(clock)
        self._queue: deque[_Waiting] = deque()
        self._inside = 0
        self._shadows = ThreadPoolExecutor(1, "shadow")
        self._apart = ThreadPoolExecutor(1, "explain")
        self._sent = self._done = 0  # answers to the shadow's thread, and back from it

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call of `POST /v1/predict`."""
        await self.serve(self._form, scope, receive, send)

    async def serve(self, form: Form, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call of a protocol, traced; what cannot be answered is counted, and told in its form."""
        if self._tracing is None:
            await self._answer_call(form, scope, receive, send)
            return
        parent, scheme = parent_of(scope["headers"]), scope.get("scheme", "http")
        with self._tracing.served(scope["method"], form.route, parent, scheme) as span:

            async def watched(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.answered(message["status"])
                await send(message)

            await self._answer_call(form, scope, receive, watched, span)

    async def _answer_call(
        self, form: Form, scope: Scope, receive: Receive, send: Send, span: Span | None = None
    ) -> None:
        try:
            if scope["method"] != "POST":
                raise HTTPException(
                    HTTPStatus.METHOD_NOT_ALLOWED,
                    "predictions are asked for by POST, so nothing was done; this was " + scope["method"],
                    {"Allow": "POST"},
                )
            received = self._clock()
            trace = "" if span is None else span.traceparent
            body = await form.answer(scope, await _body(receive), received, trace)
        except Exception as error:
            self.refused(error)
            if span is not None:
                span.refused(kind_of(error))
            await form.refusal(error)(scope, receive, send)
            return
        if isinstance(body, Response):
            await body(scope, receive, send)
            return
        headers = [*_JSON, (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def traced(self, route: str, headers: Headers | None) -> AbstractContextManager[Span | None]:
        """Begin the span of a call by another protocol, where calls are traced."""
        if self._tracing is None:
            return nullcontext()
        return self._tracing.served("POST", route, parent_of(headers))

    def refused(self, error: Exception) -> None:
        """Count a call that got no answer from the models."""
        if not isinstance(error, RequestError | HTTPException | RedisError | SpoolError):
            _LOG.error("a request was not answered", exc_info=error)
        self._metrics.refused(self._name, kind_of(error))

    def close(self) -> None:
        """Let what is being explained, and the shadows that wait, have their turn."""
        self._apart.shutdown()
        self._shadows.shutdown()

    async def _predict(self, _: Scope, body: bytes, received: int, trace: str) -> bytes | Response:
        requests, batch = requests_of(body)
        answers = await self.answer(requests, received, trace)
        if batch:
            return encode(Predictions([prediction(answer.result) for answer in answers]))
        ((result, kind, _job),) = answers
        if kind is None:
            return encode(prediction(result))
        return problem(kind, result.error or "", request_id=result.request_id)

    async def answer(self, requests: list[Request], received: int, trace: str) -> list[Answer]:
        """Answer the requests of one call, which came at `received` (ms), in order; they are in the log.

        Raises `RequestError` (busy) where the door is full, and `redis.RedisError`, `OutageError` and
        `SpoolError` in an outage.
        """
        if self._inside + len(requests) > self._limit and self._inside:
            self._metrics.shed(self._name, len(requests))
            raise RequestError(
                "busy",
                f"the door holds {self._limit} requests at a time, so nothing was done; {self._inside} are "
                f"inside, and this call brings {len(requests)}: come again",
            )
        self._inside += len(requests)
        self._metrics.entered(self._name, len(requests))
        try:
            await self._load_pinned(requests)
            if any(request.explain for request in requests):
                return await self._answer_apart(requests, received, trace)
            return await self._submit(requests, received, trace)
        finally:
            self._inside -= len(requests)
            self._metrics.left(self._name, len(requests))

    async def _load_pinned(self, requests: Sequence[Request]) -> None:
        """Load versions on their first use, in a thread: others are answered meanwhile."""
        for name, version in {(r.model_name, r.model_version) for r in requests if r.model_version}:
            if not self._models.holds(name, version):
                await asyncio.to_thread(self._models.fetch, name, version)

    async def _answer_apart(self, requests: list[Request], received: int, trace: str) -> list[Answer]:
        """Answer what takes its time in a thread: others are answered meanwhile."""
        known, new = self._known(requests)
        answers = await asyncio.get_running_loop().run_in_executor(
            self._apart, self._logged, [requests[i] for i in new], [received] * len(new), [trace] * len(new)
        )
        return self._settled(requests, known, new, answers)

    def _submit(self, requests: list[Request], received: int, trace: str) -> Awaitable[list[Answer]]:
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
        except SpoolError as error:  # nobody else's request would fare better
            _fail(batch, error)
        except RedisError as error:  # but for those that bring their vectors
            _fail([waiting for waiting in batch if not _brings_vectors(waiting)], error)
            self._answer_each(filter(_brings_vectors, batch))
        except Exception as error:
            if len(batch) == 1:
                _fail(batch, error)
            else:
                self._answer_each(batch)

    def _answer_each(self, batch: Iterable[_Waiting]) -> None:
        for waiting in batch:  # whose fault it is shows here
            try:
                self._answer([waiting])
            except Exception as own:
                _fail([waiting], own)

    def _answer(self, batch: Sequence[_Waiting]) -> None:
        requests = [request for waiting in batch for request in waiting.requests]
        received = [waiting.received for waiting in batch for _ in waiting.requests]
        known, new = self._known(requests)
        traces = [waiting.trace for waiting in batch for _ in waiting.requests] if self._tracing else []
        answers = self._logged(
            [requests[i] for i in new], [received[i] for i in new], [traces[i] for i in new] if traces else ()
        )
        self._metrics.batched(self._name, len(requests))
        found = self._settled(requests, known, new, answers)
        start = 0
        for waiting in batch:
            end = start + len(waiting.requests)
            if not waiting.answers.done():  # who has gone away is not told
                waiting.answers.set_result(found[start:end])
            start = end

    def _known(self, requests: Sequence[Request]) -> tuple[list[Answer | None], list[int]]:
        """Give the answers that were given lately, and the places of the requests that have none."""
        known = [self._recent.get(request) for request in requests]
        return known, [place for place, answer in enumerate(known) if answer is None]

    def _logged(
        self, requests: list[Request], received: Sequence[int], traces: Sequence[str]
    ) -> list[Answer]:
        """Answer requests, and log the answers; for any thread."""
        answers = self._predictor.predict(requests, self._name, received)
        self._log.results([answer.result for answer in answers], traces if self._tracing else ())
        return answers

    def _settled(
        self,
        requests: Sequence[Request],
        known: list[Answer | None],
        new: Sequence[int],
        answers: Sequence[Answer],
    ) -> list[Answer]:
        """Give all answers in order, the known and the new, once these are counted, shadowed and kept."""
        self._metrics.answered(self._name, answers)
        self._shadow(answers)
        for place, answer in zip(new, answers, strict=True):
            self._recent.put(requests[place], answer)
            known[place] = answer
        return [answer for answer in known if answer is not None]

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
            shadows = [a.job.shadow for a in answers if a.job is not None and a.job.shadow is not None]
            self._metrics.unshadowed(shadows)
        finally:
            self._done += len(answers)


def _brings_vectors(waiting: _Waiting) -> bool:
    return all(request.vector is not None for request in waiting.requests)


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
