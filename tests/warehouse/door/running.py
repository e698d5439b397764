"""A door that runs as a process of its own, and ways to ask it."""

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import clickhouse_connect
import httpx


@dataclass
class Running:
    process: "subprocess.Popen[str]"
    port: int
    path: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def client(self, **more: Any) -> Any:
        return clickhouse_connect.get_client(host="127.0.0.1", port=self.port, **more)

    def ask(self, sql: str | bytes, **parameters: Any) -> httpx.Response:
        return httpx.post(self.url, content=sql, params=parameters, timeout=60)

    def until(self, sql: str, wanted: str, **parameters: Any) -> None:
        """Ask until the answer is as wanted."""
        end = time.monotonic() + 20
        while (found := self.ask(sql, **parameters).text.strip()) != wanted:
            assert time.monotonic() < end, f"{sql}: {found!r}, wanted {wanted!r}"

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(30)


Start = Callable[..., Running]
