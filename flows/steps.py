"""How the steps of every flow behave as Prefect tasks, and how a flow shows what it did."""

import base64
import hashlib
import logging
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, cast
from uuid import UUID

import httpx
from prefect.artifacts import (
    create_image_artifact,
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    update_progress_artifact,
)
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import FlowRunContext, SyncClientContext, TaskRunContext
from prefect.exceptions import Abort, ObjectNotFound, ParameterTypeError
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.states import Cancelled
from prefect.tasks import Task

from features.alerts import AlertedError
from flows.export import ExportMismatchError
from flows.rows import TrainingDataError
from flows.study import TuningError
from inference.registry import ConflictError

_log = logging.getLogger(__name__)
_FINAL = (
    AlertedError,
    ExportMismatchError,
    TrainingDataError,
    TuningError,
    ConflictError,
    LookupError,
    ParameterTypeError,
)


def is_final(state: State[Any]) -> bool:
    """Tell whether a step or a flow ended by a refusal, which another try would give again."""
    return isinstance(state.result(raise_on_failure=False), _FINAL)


def sent_its_alert(state: State[Any]) -> bool:
    """Tell whether a flow ended by a refusal that somebody is told of already."""
    return isinstance(state.result(raise_on_failure=False), AlertedError)


def _may_pass(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    return not is_final(state)


def stop_if_cancelled() -> None:
    """End the flow run that this is part of, by Prefect's `Abort`, where somebody cancels it or has ended it.

    Prefect's own workers kill the process of such a run, wherever it stands. This is asked between steps, so
    nothing is left half done. A server that cannot be asked stops nothing.
    """
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return
    run = context.flow_run.id
    try:
        with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}), SyncClientContext.get_or_create() as given:
            state = given.client.read_flow_run(run).state
            if state is not None and state.is_cancelling():
                ended: State[Any] = Cancelled(message="cancelled between two steps")
                given.client.set_flow_run_state(run, ended)
            elif state is None or not state.is_final():
                return
    except ObjectNotFound:
        pass
    except httpx.HTTPError:
        return
    raise Abort("the flow run was ended from outside, so its next step does not begin")


def _stop_if_cancelled(_task: Task[..., Any], _run: TaskRun, _state: State[Any]) -> None:
    stop_if_cancelled()


RETRIED: dict[str, Any] = {
    "retries": 5,
    "retry_delay_seconds": [1, 5, 20, 60, 180],
    "retry_condition_fn": _may_pass,
    "on_running": [_stop_if_cancelled],  # before each try; Prefect lets pass an `Abort` from there
    "cache_policy": NO_CACHE,  # hashing a training table to look it up would cost more than it saves
}
"""Options of a step: an outage is waited out, a refusal is final, a run that is cancelled begins no step."""


def once(*what: str) -> dict[str, Any]:
    """Give the options of a step whose result is kept under the texts of its arguments `what`.

    A run that was killed after the step goes on with what it gave. It is kept in Prefect's result storage,
    which workers on several machines share by Prefect's own settings.
    """

    def key(context: TaskRunContext, parameters: dict[str, Any]) -> str:
        told = "/".join(str(parameters[name]) for name in what)
        return f"{context.task.name}/{hashlib.sha256(told.encode()).hexdigest()}"

    kept = {name: value for name, value in RETRIED.items() if name != "cache_policy"}
    return {**kept, "cache_key_fn": key, "persist_result": True}


def show_drawn(key: str, title: str, draw: Callable[[], str | None]) -> None:
    """Put what `draw` gives, if anything, on the page of the flow run; where it fails that is said alone."""
    try:
        drawn = draw()
        if drawn is not None:
            show_picture(key, title, drawn)
    except Exception as error:  # nothing that was found depends on its picture
        _log.warning("%s: the picture is left out: %s", title, error)


def show_picture(key: str, title: str, svg: str) -> None:
    """Put a picture on the page of the flow run; its versions stand under `key`."""
    encoded = base64.b64encode(svg.encode()).decode("ascii")
    create_image_artifact(f"data:image/svg+xml;base64,{encoded}", key=artifact_key(key), description=title)


def show(key: str, title: str, facts: Mapping[str, object]) -> None:
    """Put a table of `facts` on the page of the flow run; its versions stand under `key`."""
    rows = "\n".join(f"| {name} | {value} |" for name, value in facts.items())
    create_markdown_artifact(
        key=artifact_key(key),
        markdown=f"## {title}\n\n| | |\n| --- | --- |\n{rows}\n",
        description=title,
    )


def show_link(key: str, title: str, link: str) -> None:
    """Put a link on the page of the flow run; its versions stand under `key`."""
    create_link_artifact(link, key=artifact_key(key), link_text=title, description=title)


def show_progress(key: str, what: str, done: int, of: int) -> Callable[[int], None]:
    """Put a bar on the page of the flow run, at `done` of `of`; give what moves it to how many are done then.

    Where the server cannot be asked, that leaves it where it was.
    """

    def told(now: int) -> tuple[float, str]:
        return 100 * min(now, of) / of, f"{now} of {of} {what}"

    percent, text = told(done)
    shown = cast(UUID, create_progress_artifact(percent, key=artifact_key(key), description=text))

    def move(done: int) -> None:
        with suppress(httpx.HTTPError, ObjectNotFound), temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):
            update_progress_artifact(shown, *told(done))

    return move


def artifact_key(text: str) -> str:
    """Give a text as Prefect wants keys of artifacts: small letters, digits and dashes."""
    return re.sub("[^a-z0-9]+", "-", text.lower()).strip("-")
