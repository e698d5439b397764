"""The clients of the HTTP door."""

import asyncio
import ssl
import time
from collections.abc import Iterable, Mapping
from typing import Any, Self, Unpack
from urllib.parse import quote

import httpx

from augury_client.errors import UnreachableError, passes, problem
from augury_client.records import Asked, ModelInfo, Prediction, Request
from augury_client.retry import Retry, retry_after
from augury_client.wire import batches, body_of, model_of, prediction_of

_LOST = (httpx.NetworkError, httpx.TimeoutException, httpx.RemoteProtocolError)
_PREDICT, _MODELS = "/v1/predict", "/v1/models"
_JSON = {"content-type": "application/json"}


class _Call:
    """One request to the door, and what became of each try."""

    def __init__(
        self, retry: Retry, method: str, path: str, body: bytes | None, request_id: str | None
    ) -> None:
        self.arguments: dict[str, Any] = {"method": method, "url": path, "content": body}
        if body is not None:
            self.arguments["headers"] = _JSON
        self._retry = retry
        self._request_id = request_id
        self._tried = 0

    def lost(self, error: httpx.TransportError) -> float:
        """Give the seconds to wait after a try without an answer; `UnreachableError` after the last."""
        self._tried += 1
        wait = self._retry.wait(self._tried)
        if wait is None:
            told = str(error) or type(error).__name__
            detail = f"the door gave no answer in {self._tried} tries: {told}"
            raise UnreachableError(detail, self._request_id) from error
        return wait

    def refused(self, answer: httpx.Response) -> float:
        """Give the seconds to wait after a refusal that passes; raises any other as its `ProblemError`."""
        self._tried += 1
        after = retry_after(answer.headers.get("retry-after"))
        wait = self._retry.wait(self._tried, after) if passes(answer.status_code) else None
        if wait is None:
            try:
                body = answer.json()
            except ValueError:
                body = None
            raise problem(answer.status_code, body, self._request_id, after)
        return wait


class _Door:
    """What both clients share: the options of httpx, and calls."""

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        timeout: float = 10.0,
        retry: Retry | None = None,
        verify: ssl.SSLContext | bool = True,
    ) -> None:
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        self._url = url
        self._retry = retry or Retry()
        self._open({"base_url": url, "headers": headers, "timeout": timeout, "verify": verify})

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._url!r})"

    def _open(self, options: Mapping[str, Any]) -> None:
        raise NotImplementedError

    def _one(self, request: Request) -> _Call:
        return _Call(self._retry, "POST", _PREDICT, body_of(request), request.request_id)

    def _many(self, requests: Iterable[Request]) -> list[_Call]:
        return [_Call(self._retry, "POST", _PREDICT, body, None) for body in batches(requests)]

    def _get(self, path: str) -> _Call:
        return _Call(self._retry, "GET", path, None, None)


class Client(_Door):
    """Asks the HTTP door at `url`; threads may share one client, which keeps its connections.

    `timeout` is for each step of a try, in seconds. `verify` False trusts any certificate, a context has
    the authorities to trust and the client's own certificate. Every method raises `ProblemError` for a
    problem that the door tells, `UnreachableError` where there is no answer.
    """

    def _open(self, options: Mapping[str, Any]) -> None:
        self._http = httpx.Client(**options)

    def predict(self, model: str, **asked: Unpack[Asked]) -> Prediction:
        """Give the answer to one request; `Request` has what the arguments mean."""
        request = Request(model, **asked)
        return prediction_of(self._send(self._one(request)))

    def predict_many(self, requests: Iterable[Request]) -> list[Prediction]:
        """Give the answers in the order of the requests, in as few batches as the door's limits allow.

        A request that is wrong has an `error` in its answer, and the others are answered.
        """
        bodies = [self._send(call)["results"] for call in self._many(requests)]
        return [prediction_of(result) for body in bodies for result in body]

    def models(self) -> list[ModelInfo]:
        """Give who answers for each model name."""
        return [model_of(body) for body in self._send(self._get(_MODELS))["models"]]

    def model(self, name: str) -> ModelInfo:
        """Give who answers for a model name. Raises `NotFoundError` where nobody does."""
        return model_of(self._send(self._get(f"{_MODELS}/{quote(name, safe='')}")))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(self, call: _Call) -> Any:  # noqa: ANN401
        while True:
            try:
                answer = self._http.request(**call.arguments)
            except _LOST as error:
                wait = call.lost(error)
            else:
                if answer.is_success:
                    return answer.json()
                wait = call.refused(answer)
            time.sleep(wait)


class AsyncClient(_Door):
    """`Client` for asyncio: the same methods, to be awaited."""

    def _open(self, options: Mapping[str, Any]) -> None:
        self._http = httpx.AsyncClient(**options)

    async def predict(self, model: str, **asked: Unpack[Asked]) -> Prediction:
        """Give the answer to one request; `Request` has what the arguments mean."""
        request = Request(model, **asked)
        return prediction_of(await self._send(self._one(request)))

    async def predict_many(self, requests: Iterable[Request]) -> list[Prediction]:
        """Give the answers in the order of the requests; as `Client.predict_many`, one batch at a time."""
        bodies = [(await self._send(call))["results"] for call in self._many(requests)]
        return [prediction_of(result) for body in bodies for result in body]

    async def models(self) -> list[ModelInfo]:
        """Give who answers for each model name."""
        return [model_of(body) for body in (await self._send(self._get(_MODELS)))["models"]]

    async def model(self, name: str) -> ModelInfo:
        """Give who answers for a model name. Raises `NotFoundError` where nobody does."""
        return model_of(await self._send(self._get(f"{_MODELS}/{quote(name, safe='')}")))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _send(self, call: _Call) -> Any:  # noqa: ANN401
        while True:
            try:
                answer = await self._http.request(**call.arguments)
            except _LOST as error:
                wait = call.lost(error)
            else:
                if answer.is_success:
                    return answer.json()
                wait = call.refused(answer)
            await asyncio.sleep(wait)
