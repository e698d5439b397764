"""The door keeps to its own OpenAPI document, whatever is sent to it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from augury.stack import Stack

from .processes import running
from .served import Served
from .world import NOW

TOKEN = "s3cret"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
# The document cannot say what a model needs: a request that follows it may still name an unknown entity.
ALLOWED = "positive_data_acceptance"
# What is narrower than the door's own document may be broken without harm.
NARROWED = f"{ALLOWED},negative_data_rejection"

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def door(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    served = Served(stack, tmp_path_factory.mktemp("openapi"))
    served.redis.flushall()
    served.world.put("carrier_delay", "AA", 7, arr_delay_mean_1h=2.5, count_1d=3, diverted_last=False)
    served.world.put("route_delay", "JFK|LAX", 1, arr_delay_mean_7d=-4.25)
    with running(*served.arguments, TOKEN):
        served.await_ready()
        yield served
    served.close()


def hold(door: Served, document: dict[str, Any], folder: Path, allowed: str = ALLOWED) -> None:
    """Put to the door what Schemathesis makes out of a document, and fail with its report.

    It is always the same: the examples, the limits of all fields, and at most 100 random cases a route.
    """
    (folder / "openapi.json").write_text(json.dumps(document))
    command = [
        *(str(Path(sys.executable).with_name("schemathesis")), "run", "openapi.json"),
        *("--url", str(door.client.base_url), "--header", f"Authorization: Bearer {TOKEN}"),
        *("--phases", "examples,coverage,fuzzing", "--max-examples", "100", "--generation-deterministic"),
        *("--exclude-checks", allowed, "--continue-on-failure", "--warnings", "off", "--no-color"),
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    if done.returncode != 0 or "Test cases:" not in done.stdout:
        pytest.fail(done.stdout + done.stderr, pytrace=False)


def published(door: Served) -> dict[str, Any]:
    document: dict[str, Any] = door.client.get("/openapi.json", headers=HEADERS).json()
    # A door that is given 1 ms may be late, and says so by a 504, which would pass for a fault.
    del requests(document)["timeout_ms"]
    return document


def requests(document: dict[str, Any]) -> dict[str, Any]:
    """Give the fields of a request in a document."""
    fields: dict[str, Any] = document["components"]["schemas"]["Request"]["properties"]
    return fields


def test_any_request_gets_an_answer_that_the_document_has(door: Served, tmp_path: Path) -> None:
    hold(door, published(door), tmp_path)


def test_so_does_any_request_that_a_model_can_answer(door: Served, tmp_path: Path) -> None:
    document = published(door)
    fields = requests(document)
    fields["model_name"]["enum"] = ["late"]
    keys = {"carrier": {"enum": ["AA", "ZZ"]}, "route": {"enum": ["JFK|LAX", "|"]}}
    inputs = {
        "scheduled_at": {"type": "integer", "minimum": 0, "maximum": NOW},
        "distance": {"type": "number"},
    }
    for name, properties in (("entity_keys", keys), ("inputs", inputs)):
        fields[name] = {"type": "object", "properties": properties, "required": list(properties)}
    tensor = document["components"]["schemas"]["InputTensor"]["properties"]
    tensor["name"], tensor["shape"] = {"enum": ["vector"]}, {"enum": [[1, 6]]}
    tensor["data"] = {"type": "array", "items": {"type": "number"}, "minItems": 6, "maxItems": 6}
    paths = document["paths"]
    for path in [path for path in paths if path.startswith("/v2/models/")]:
        for operation in paths[path].values():
            for parameter in operation["parameters"]:
                parameter["schema"]["enum"] = ["late"] if parameter["name"] == "name" else ["1"]
    answer = door.client.post(
        "/v1/predict",
        headers=HEADERS,
        json={
            "request_id": "r",
            "model_name": "late",
            "entity_keys": {"carrier": "AA", "route": "JFK|LAX"},
            "inputs": {"scheduled_at": NOW, "distance": 900.0},
        },
    )
    assert answer.json()["prediction"] is not None
    hold(door, document, tmp_path, NARROWED)
