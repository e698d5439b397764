"""The physical floor of serving: the multi-get, the unpacking and the model's run, and next to nothing else.

In a bare loop, or behind a bare ASGI application that takes and gives the door's JSON, checks nothing and
answers one request at a time; on demand it also writes the Avro record of each answer to a file.
"""

import argparse
import json
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import fastavro
import orjson
import uvicorn
from redis import Redis

from augury.clock import wall_ms
from benchmarks.load import PERCENTILES, Load, percentile
from benchmarks.peers.cost import peak_mb
from benchmarks.serving_cases import Numbers, nullable
from features.layout import Layout, clock_key, row_key
from features.project import load_project
from features.table import RowTable
from features.vector import ModelPlan
from inference.runtime import OnnxModel
from schemas.records import load

PROJECT = "benchmarks.serving_cases"
Ask = Callable[[], Awaitable[dict[str, Any]]]
Give = Callable[[dict[str, Any]], Awaitable[None]]


class Floor:
    """The work that no server of these rows and this model can leave out."""

    def __init__(self, plan: ModelPlan, onnx: Path, redis: str) -> None:
        self.plan = plan
        self._prefixes = [row_key(group.group, group.version, "") for group in plan.groups]
        self._clocks = [clock_key(group.group, group.version) for group in plan.groups]
        self._table = RowTable([(Layout.of(group), group.positions) for group in plan.groups])
        self._model = OnnxModel(onnx.read_bytes())
        self._store: Any = Redis.from_url(redis).connection_pool.make_connection()

    def answer(self, cards: Sequence[str]) -> tuple[Numbers, Numbers]:
        """Give the predictions (n,) and the vectors (n, features) of some entities."""
        keys = [prefix + card for card in cards for prefix in self._prefixes]
        self._store.send_command("MGET", *keys, *self._clocks)
        vectors, _ = self._table.read(self._store.read_response()[: len(keys)])
        return self._model.predict(vectors).scores, vectors

    def answers(self, cards: Sequence[str]) -> list[dict[str, Any]]:
        """Give the same as the door's answers have it."""
        predictions, vectors = self.answer(cards)
        names = self.plan.names
        return [
            {"prediction": prediction, "feature_values_used": dict(zip(names, vector, strict=True))}
            for prediction, vector in zip(predictions.tolist(), nullable(vectors), strict=True)
        ]


class Application:
    """The ASGI application over a floor; `records` is the file of the answers' records."""

    def __init__(self, floor: Floor, records: int | None) -> None:
        self._floor = floor
        self._records = records
        self._schema = fastavro.parse_schema(load("prediction_result"))

    async def __call__(self, scope: dict[str, Any], ask: Ask, give: Give) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        body = b""
        while True:
            message = await ask()
            body += message["body"]
            if not message["more_body"]:
                break
        asked = orjson.loads(body or b'{"requests": []}')
        requests = asked.get("requests", [asked])
        found = (
            self._floor.answers([request["entity_keys"]["card"] for request in requests]) if requests else []
        )
        if self._records is not None:
            self._log(requests, found)
        answer = orjson.dumps({"results": found} if "requests" in asked else found[0])
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(answer)).encode()),
        ]
        await give({"type": "http.response.start", "status": 200, "headers": headers})
        await give({"type": "http.response.body", "body": answer})

    def _log(self, requests: Sequence[dict[str, Any]], found: Sequence[dict[str, Any]]) -> None:
        assert self._records is not None
        now, out = wall_ms(), BytesIO()
        for request, answer in zip(requests, found, strict=True):
            record = {
                **request,
                **answer,
                "deduplication_key": request["request_id"],
                "variant": "champion",
                "door": "http",
                "inputs": {},
                "rows": [
                    {
                        "group": group.group,
                        "version": group.version,
                        "entity": request["entity_keys"]["card"],
                        "event_timestamp": now,
                        "seq": 0,
                        "state": "fresh",
                    }
                    for group in self._floor.plan.groups
                ],
                "requested_at": now,
                "predicted_at": now,
                "latency_features_ms": 0.0,
                "latency_on_demand_ms": 0.0,
                "latency_model_ms": 0.0,
                "latency_total_ms": 0.0,
            }
            fastavro.schemaless_writer(out, self._schema, record)
        os.write(self._records, out.getvalue())


def loop(floor: Floor, requests: Sequence[Sequence[str]], seconds: float, answers: Path) -> dict[str, Any]:
    """Answer requests in a bare loop for so long; give what it found, and the peak memory in MiB.

    The first answer to each request is written to `answers`.
    """
    answers.write_bytes(b"\n".join(orjson.dumps({"results": floor.answers(cards)}) for cards in requests))
    latencies: list[float] = []
    cpu, started = process_time(), perf_counter()
    while (now := perf_counter()) < started + seconds:
        floor.answer(requests[len(latencies) % len(requests)])
        latencies.append(perf_counter() - now)
    took, cpu = perf_counter() - started, process_time() - cpu
    percentiles = tuple(1e3 * percentile(latencies, p) for p in PERCENTILES)
    found = Load(len(latencies), 0, 0, took, percentiles, 0.0, cpu)
    return asdict(found) | {"peak_mb": peak_mb()}


def main() -> None:
    """Serve until SIGTERM, or run the loop and print what it found as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving_floor", description=__doc__)
    parser.add_argument("model", help="its name in the project")
    parser.add_argument("--onnx", type=Path, required=True)
    parser.add_argument("--redis", required=True)
    parser.add_argument("--port", type=int, help="serve here")
    parser.add_argument("--records", type=Path, help="write the answers' Avro records here")
    parser.add_argument("--requests", type=Path, help="run the loop on the keys in this file, a list a line")
    parser.add_argument("--answers", type=Path, help="where the loop writes its first answers")
    parser.add_argument("--seconds", type=float, help="how long the loop runs")
    given = parser.parse_args()
    floor = Floor(load_project(PROJECT).model_plans[given.model], given.onnx, given.redis)
    if given.requests:
        requests = [json.loads(line) for line in given.requests.read_bytes().splitlines()]
        print(json.dumps(loop(floor, requests, given.seconds, given.answers)))
        return
    records = (
        None if given.records is None else os.open(given.records, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    )
    application = Application(floor, records)
    uvicorn.run(
        application,
        port=given.port,
        http="httptools",
        loop="uvloop",
        lifespan="off",
        log_level="warning",
        access_log=False,
    )


if __name__ == "__main__":
    main()
