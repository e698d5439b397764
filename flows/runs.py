"""Asking a Prefect server for flow runs, over its HTTP interface."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import httpx
from prefect.client.base import PrefectHttpxSyncClient

DEPLOYMENT = "augury"
"""The name of each flow's deployment."""
ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
"""The kinds of state of runs that are over."""
_REFUSALS = {400, 409, 413, 422}


class RefusedRunError(ValueError):
    """Prefect will never take this run: its parameters do not fit the flow."""


def prefect_client(api_url: str, auth: str | None) -> PrefectHttpxSyncClient:
    """Connect to the server at `api_url` (with its `/api`); `auth` is its "user:password".

    It tries again by itself what the server says is worth it, and raises for no other answer.
    """
    user, _, password = (auth or "").partition(":")
    return PrefectHttpxSyncClient(
        base_url=api_url,
        auth=(user, password) if auth else None,
        timeout=30,
        raise_on_all_errors=False,
    )


class State(NamedTuple):
    """A run's state: its kind, such as `SCHEDULED`, and its name, such as `AwaitingRetry`."""

    kind: str
    name: str


class PrefectRuns:
    """Creates flow runs on the server at `api_url` (with its `/api`); `auth` is its "user:password".

    What the server says is worth another try (429, 502, 503: SQLite was locked, for one) is tried again,
    some times; a run's key makes that safe.
    """

    def __init__(self, api_url: str, auth: str | None = None) -> None:
        self._http = prefect_client(api_url, auth)
        self._deployments: dict[str, str] = {}

    def __call__(self, flow: str, parameters: Mapping[str, Any], key: str) -> str:
        """Give the id of the run of `flow` that `key` stands for; it is created once for a key.

        Raises `RefusedRunError` where Prefect refuses the run itself, and `httpx.HTTPError` for all that
        may pass: no server, no deployment yet, no access, too many requests.
        """
        deployment = self._deployments.get(flow)
        if deployment is None:
            deployment = self._read(self._http.get(f"/deployments/name/{flow}/{DEPLOYMENT}"))["id"]
        response = self._http.post(
            f"/deployments/{deployment}/create_flow_run",
            json={
                "parameters": dict(parameters),
                "idempotency_key": key,
                "name": key,
                "state": {"type": "SCHEDULED"},
            },
        )
        if response.status_code in _REFUSALS:
            raise RefusedRunError(
                f"a run's parameters fit its flow; Prefect refused {flow} with {dict(parameters)} "
                f"({response.status_code}: {response.text[:500]})"
            )
        # A deployment that was deleted and made again has another id, so one that fails is not kept.
        self._deployments.pop(flow, None)
        run = self._read(response)
        self._deployments[flow] = deployment
        return str(run["id"])

    def state(self, run: str) -> State:
        """Give the state of a run."""
        found = self._read(self._http.get(f"/flow_runs/{run}"))
        return State(found["state_type"], found["state_name"])

    def _read(self, response: httpx.Response) -> dict[str, Any]:
        response.raise_for_status()
        return dict(response.json())

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
