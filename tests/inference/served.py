"""A door of its own on the stack, with a model that sums its vector."""

import time
from pathlib import Path

import httpx
from redis import Redis

from augury.settings import free_ports
from augury.stack import Stack
from inference.serving import Addresses

from .onnx_models import regressor
from .processes import HTTP, Log, prepare
from .world import World, make_world


class Served:
    def __init__(self, stack: Stack, folder: Path) -> None:
        self.addresses: Addresses = prepare(stack.settings, folder)
        self.redis = Redis.from_url(self.addresses.redis)
        self.world: World = make_world(folder, self.redis)
        self.world.serve(regressor(6))
        self.log = Log(self.addresses)
        self.port = free_ports(1)[0]
        self.arguments = (HTTP, self.addresses, str(self.port), str(folder / "spool"))
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=10)

    def await_ready(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                if self.client.get("/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                assert time.monotonic() < deadline

    def ask(self, client: httpx.Client, request_id: str) -> dict[str, object]:
        body = {"request_id": request_id, "model_name": "late", "vector": [1.0] * 6}
        answer: dict[str, object] = client.post("/v1/predict", json=body).json()
        return answer

    def close(self) -> None:
        self.client.close()
        self.world.registry.close()
        self.redis.close()
