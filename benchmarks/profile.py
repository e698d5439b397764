"""Where a job's threads spend their time, by Flink's own flame graphs."""

import re
import time
from collections import Counter
from typing import Any

from benchmarks.cluster import Servers, StalledError
from streams.job import running

_TRIES = 300
_PARTS = (  # of a stack, the innermost frame that any pattern finds tells the part
    ("Avro decode", r"\.AvroRows\."),
    ("Avro encode", r"\.AvroRecords\."),
    ("log clock", r"\.LogClock\."),
    ("timers", r"InternalTimerService|HeapPriorityQueue|\.moveTimer"),
    ("state", r"\.Heap(Value|Map|List)State\.|\.StateTable\.|\.CopyOnWrite|\.RocksDB"),
    ("windows", r"\.streams\.(Windows|Tiles|Parts|Layout|Event|InLogOrder)\."),
    ("SQL between the steps", r"StreamExecCalc|ConstraintEnforcer|InputConversion"),
    ("writing to Kafka", r"KafkaWriter|KafkaProducer|KafkaRecordSerialization"),
    ("exchange", r"\.RecordWriter|NonSpanning|SpillingAdaptive|KeyGroupStreamPartitioner"),
    ("reading the log", r"KafkaRecordEmitter|\.SourceReader|\.SourceOperator"),
)


def shares(root: dict[str, Any]) -> Counter[str]:
    """Fold a flame graph into samples by part: each stack counts once, by its innermost known frame."""
    found: Counter[str] = Counter()

    def walk(node: dict[str, Any], part: str) -> None:
        part = next((name for name, pattern in _PARTS if re.search(pattern, node["name"])), part)
        inside = sum(child["value"] for child in node["children"])
        found[part] += node["value"] - inside
        for child in node["children"]:
            walk(child, part)

    walk(root, "Flink")
    return found


def hottest(at: Servers, label: str) -> dict[str, float]:
    """Sample a running job's threads while they compute; give the share of each part, in percent."""
    job = running(at.settings.flink_url, label)
    if job is None:
        raise StalledError(f"a job that runs can be sampled; {label} does not")
    total: Counter[str] = Counter()
    vertices = [vertex["id"] for vertex in at.rest(f"/jobs/{job.id}")["vertices"]]
    for _ in range(_TRIES):
        graphs = [at.rest(f"/jobs/{job.id}/vertices/{v}/flamegraph?type=on_cpu") for v in vertices]
        if all(graph.get("data") for graph in graphs[:2]):
            for graph in graphs:
                if graph.get("data"):
                    total += shares(graph["data"])
            break
        time.sleep(0.2)
    return {part: 100 * count / total.total() for part, count in total.most_common()}
