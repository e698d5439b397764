"""Questions that readiness checks ask of a loopback port."""

import contextlib
import http.client
import json
import socket
from typing import Any

from augury.settings import LOOPBACK

_TIMEOUT = 3.0


def get(port: int, path: str) -> bytes:
    """Return the body of a 200 answer; raise OSError for another answer or none."""
    with contextlib.closing(http.client.HTTPConnection(LOOPBACK, port, timeout=_TIMEOUT)) as connection:
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
        except http.client.HTTPException as error:
            raise OSError(f"port {port} does not speak HTTP yet") from error
    if answer.status != 200:
        raise OSError(f"GET {path} on port {port} was answered {answer.status}")
    return body


def get_json(port: int, path: str) -> Any:  # noqa: ANN401
    """Return the decoded JSON of a 200 answer; raise OSError for anything else."""
    try:
        return json.loads(get(port, path))
    except ValueError as error:
        raise OSError(f"GET {path} on port {port} was not answered with JSON") from error


def say(port: int, line: bytes) -> bytes:
    """Send one line and return the first bytes of the answer; raise OSError where nothing listens."""
    with socket.create_connection((LOOPBACK, port), timeout=_TIMEOUT) as connection:
        connection.sendall(line)
        return connection.recv(64)
