import math
import signal
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from augury.stack import Stack
from inference.files import BatchFiles
from schemas.log import await_group
from schemas.records import load

from .onnx_models import trees
from .processes import WORKER, running
from .test_worker import Requests
from .world import NOW

pytestmark = pytest.mark.stack
INPUTS = {"scheduled_at": NOW, "distance": 900.0}

TORN = (
    """
from inference import files
read, failures = files.BatchFiles.rows, iter([True])

def failing(slices):
    yield next(slices)
    if next(failures, False):
        raise OSError("the store is away")
    yield from slices

def rows(*given):
    found = read(*given)
    return files.Rows(found.total, failing(found.slices))

files.BatchFiles.rows = rows
"""
    + WORKER
)
"""A worker whose store of files fails once, in the middle of a file."""
SHORT = (
    """
from inference import files
read = files.BatchFiles.rows
files.BatchFiles.rows = lambda *given: files.Rows((found := read(*given)).total + 1, found.slices)
"""
    + WORKER
)
"""A worker whose files end a row too early."""


class Asked(Requests):
    """Batches published, and what came of them."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        super().__init__(stack, folder)
        self.files = BatchFiles(str(folder / "batches"))
        self.encode_batch = self.log.codec.encoder("prediction.batches", load("prediction_batch"))
        rest = {"diverted_last": True, "arr_delay_mean_1h": 1.0}
        for carrier in range(1_000):
            self.world.put("carrier_delay", str(carrier), 7, count_1d=carrier, **rest)
        self.world.put("route_delay", "JFK|LAX", 4, arr_delay_mean_7d=2.0)

    def ask(self, name: str, key: str = "one partition", **fields: Any) -> str:
        batch_id = f"{self.run}-{name}"
        record = {"batch_id": batch_id, "model_name": "late", **fields}
        self.producer.produce("prediction.batches", self.encode_batch(record), key=key)
        self.producer.flush()
        return batch_id

    def file(self, rows: int) -> dict[str, Any]:
        """Write a file, and give the fields that name it."""
        local = self.folder / f"{uuid.uuid4().hex}.parquet"
        columns = {
            "carrier": [str(n % 1_000) for n in range(rows)],
            "route": ["JFK|LAX"] * rows,
            "scheduled_at": pa.array([NOW] * rows, pa.timestamp("ms")),
            "distance": [900.0] * rows,
        }
        pq.write_table(pa.table(columns), local)
        return {"uri": self.files.put(local, local.stem), "entity_columns": ["carrier", "route"]}

    def until(self, over: Callable[[dict[str, Any]], bool], batch_id: str) -> dict[str, Any]:
        """Give the batch's first progress for which `over` holds."""
        with self.log.reading("prediction.progress") as progress:
            return next(p for p in progress if p["batch_id"] == batch_id and over(p))

    def done(self, batch_id: str) -> dict[str, Any]:
        return self.until(lambda p: p["error"] is not None or p["done"] == p["total"], batch_id)

    def results(self, batch_id: str, topic: str = "prediction.results") -> dict[int, dict[str, Any]]:
        """Give the results by row, each there once."""
        await_group(self.addresses.kafka, self.run, 60)
        found = [r for r in self.log.all(topic) if r["request_id"].startswith(f"{batch_id}/")]
        assert Counter(r["request_id"] for r in found).most_common(1)[0][1] == 1
        return {int(r["request_id"].rsplit("/", 1)[1]): r for r in found}


@pytest.fixture
def asked(stack: Stack, tmp_path: Path) -> Iterator[Asked]:
    asked = Asked(stack, tmp_path)
    yield asked
    asked.producer.flush()
    asked.world.registry.close()
    asked.redis.close()


def test_batches_of_rows_and_files_are_answered_row_by_row(asked: Asked) -> None:
    asked.shadowed()
    keys = {"carrier": "7", "route": "JFK|LAX"}
    rows = [{"entity_keys": keys, "inputs": INPUTS}, {"entity_keys": keys, "inputs": {}}]
    listed = asked.ask("listed", rows=rows)
    filed = asked.ask("filed", **asked.file(1_203))
    named = asked.ask("named", rows=rows[:1], variant="shadow")
    with_trees = asked.world.register_trees(*trees(6)).version
    explained = asked.ask("explained", rows=rows[:1], explain=True, model_version=with_trees)
    unexplained = asked.ask("unexplained", rows=rows[:1], explain=True)
    with asked.worker():
        told = {name: asked.done(name) for name in (listed, filed, named, explained, unexplained)}
        (by_shadow,) = asked.results(named).values()
        (by_trees,), (without_trees,) = (asked.results(b).values() for b in (explained, unexplained))
        few, many = asked.results(listed), asked.results(filed)
        shadows = asked.results(filed, "prediction.shadow")
    assert (told[listed]["total"], told[listed]["failed"]) == (2, 1)
    assert few[0]["error"] is None
    assert "brings every input" in few[1]["error"]
    assert (by_shadow["variant"], by_shadow["model_version_used"]) == ("pinned", 2)
    raw = by_trees["bias"] + sum(by_trees["contributions"].values())
    assert by_trees["prediction"] == pytest.approx(1 / (1 + math.exp(-raw)), abs=1e-5)
    assert set(by_trees["contributions"]) == set(by_trees["feature_values_used"])
    assert "registered without" in without_trees["error"]
    assert (told[filed]["total"], told[filed]["failed"]) == (1_203, 0)
    assert many.keys() == shadows.keys() == set(range(1_203))
    assert all(r["feature_values_used"]["carrier_delay.count_1d"] == n % 1_000 for n, r in many.items())
    assert {r["variant"] for r in shadows.values()} == {"shadow"}


def test_rows_of_a_store_that_fails_in_between_are_all_answered_once(asked: Asked) -> None:
    fields = asked.file(1_200)
    with running(TORN, asked.addresses, asked.run, str(asked.folder / "batches")):
        batch = asked.ask("torn", **fields)
        over = asked.done(batch)
        results = asked.results(batch)
    assert (over["done"], over["total"], over["failed"], over["error"]) == (1_200, 1_200, 0, None)
    assert sorted(results) == list(range(1_200))


def test_a_batch_that_ends_before_its_rows_do_is_refused(asked: Asked) -> None:
    fields = asked.file(100)
    with running(SHORT, asked.addresses, asked.run, str(asked.folder / "batches")):
        over = asked.until(lambda p: p["error"] is not None, asked.ask("short", **fields))
    assert "has 101 rows, and ends after 100" in over["error"]


def test_what_is_no_batch_is_refused_and_blocks_nothing(asked: Asked) -> None:
    both = asked.ask("both", rows=[], uri="x")
    elsewhere = asked.ask("elsewhere", uri="file:///etc/passwd")
    asked.producer.produce("prediction.batches", b"torn " + asked.run.encode(), key="one partition")
    empty = asked.ask("empty", rows=[])
    with asked.worker():
        assert (asked.done(empty)["total"], asked.done(empty)["error"]) == (0, None)
        assert "either rows or the uri" in asked.done(both)["error"]
        assert "workers read batches below" in asked.done(elsewhere)["error"]
        with asked.log.reading("dead_letters") as letters:
            letter = next(x for x in letters if x["payload"] == b"torn " + asked.run.encode())
    assert (letter["origin"], letter["topic"]) == ("worker", "prediction.batches")


def test_a_batch_of_100_000_is_answered_while_single_requests_pass(
    asked: Asked, capsys: pytest.CaptureFixture[str]
) -> None:
    fields = asked.file(100_000)
    with asked.worker():
        asked.log.collect("prediction.results", {asked.publish(0)})
        begun = time.monotonic()
        batch_id = asked.ask("large", **fields)
        asked.until(lambda p: p["done"] > 0, batch_id)
        single = asked.publish(1)
        answered = asked.log.collect("prediction.results", {single})[single][0]
        assert asked.done(batch_id)["failed"] == 0
        with capsys.disabled():
            print(f"\na batch of 100,000 took {time.monotonic() - begun:.1f} s")
        results = asked.results(batch_id)
    assert results.keys() == set(range(100_000))
    assert answered["predicted_at"] < results[99_999]["predicted_at"]


def test_a_batch_goes_on_where_a_killed_worker_left_it(asked: Asked) -> None:
    batch_id = asked.ask("killed", **asked.file(20_000))
    second = asked.ask("second", **asked.file(700))
    for least in (1, 5_000, 12_000):
        with asked.worker() as worker:
            asked.until(lambda p, least=least: p["done"] >= least, batch_id)  # type: ignore[misc]
            worker.send_signal(signal.SIGKILL)
    with asked.worker():
        asked.done(batch_id)
        asked.done(second)
        assert asked.results(batch_id).keys() == set(range(20_000))
        assert asked.results(second).keys() == set(range(700))
