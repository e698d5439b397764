"""The Open Inference Protocol over REST, as its standard has it."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from inference.registry import ServingConfig
from inference.tokens import Scope, TokensFile

from .listening import listening
from .onnx_models import classes, regressor, targets
from .test_http import Door
from .world import World

ROWS = [[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [0.5] * 6]


@pytest.fixture
def door(world: World) -> Iterator[Door]:
    world.serve(regressor(6))
    door = Door(world)
    yield door
    door.spool.close()


def call(*rows: list[float | None], **more: Any) -> dict[str, Any]:
    flat = [value for row in rows for value in row]
    shape = [len(rows), len(rows[0])]
    return {"inputs": [{"name": "vector", "shape": shape, "datatype": "FP64", "data": flat}], **more}


def infer(door: Door, body: object, path: str = "/v2/models/late/infer") -> Any:
    answer = door.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def error(door: Door, body: object, path: str = "/v2/models/late/infer") -> tuple[int, str]:
    answer = door.post(path, json=body)
    assert answer.headers["content-type"] == "application/json"
    (told,) = answer.json().values()
    assert answer.json() == {"error": told}
    return answer.status_code, told


def test_rows_are_answered_and_logged_one_by_one(door: Door) -> None:
    answer = infer(door, call(*ROWS, id="r"))
    output, values = answer.pop("outputs")
    assert answer == {"model_name": "late", "id": "r", "model_version": "1"}
    assert values == output | {"name": "outputs", "shape": [2, 1]}
    assert output["data"] == pytest.approx([21.0, 3.0])
    assert (output["name"], output["shape"], output["datatype"]) == ("prediction", [2], "FP64")
    logged = [record for topic, record in door.logged() if topic == "prediction.results"]
    assert [record["request_id"] for record in logged] == ["r/0", "r/1"]
    assert [record["prediction"] for record in logged] == output["data"]
    assert {(record["door"], record["variant"]) for record in logged} == {("http", "champion")}


def test_one_row_has_the_calls_own_id_and_its_data_may_be_nested(door: Door) -> None:
    nested = call(ROWS[0], id="r")
    nested["inputs"][0] |= {"data": [ROWS[0]], "datatype": "FP32"}
    assert infer(door, nested)["outputs"][0]["data"] == pytest.approx([21.0])
    given = infer(door, call(ROWS[0]))["id"]
    assert len(given) == 32
    assert [record["request_id"] for _, record in door.logged()] == ["r", given]


def test_a_version_that_is_named_is_pinned(door: Door, world: World) -> None:
    world.register(regressor(6, 2.0))
    answer = infer(door, call(ROWS[0], id="r"), "/v2/models/late/versions/2/infer")
    assert (answer["model_version"], answer["outputs"][0]["data"]) == ("2", pytest.approx([42.0]))
    ((_, record),) = door.logged()
    assert record["variant"] == "pinned"


def test_rows_that_are_split_have_no_single_version(door: Door, world: World) -> None:
    world.register(regressor(6, 2.0))
    world.registry.set_serving_config(ServingConfig("late", 2, 0.5, None), by="ann", why="by hand")
    world.models.refresh()
    answer = infer(door, call(*[ROWS[1]] * 50, id="r"))
    assert "model_version" not in answer
    by_row = {record["request_id"]: record["prediction"] for _, record in door.logged()}
    assert answer["outputs"][0]["data"] == [by_row[f"r/{n}"] for n in range(50)]
    assert set(by_row.values()) == {3.0, 6.0}


def test_a_classifier_gives_all_chances_and_its_class(door: Door, world: World) -> None:
    world.register(classes(6, ["early", "late", "lost"]))
    path = "/v2/models/late/versions/2/infer"
    answer = infer(door, call([1.0] * 6, [-1.0] * 6, id="r"), path)
    score, values, decided = answer["outputs"]
    logged = [record for _, record in door.logged()]
    assert (values["shape"], decided["datatype"]) == ([2, 3], "BYTES")
    assert values["data"] == logged[0]["outputs"] + logged[1]["outputs"]
    assert decided["data"] == [record["predicted_class"] for record in logged] == ["lost", "early"]
    assert score["data"] == [max(record["outputs"]) for record in logged]
    asked = [{"name": "predicted_class"}]
    (only,) = infer(door, call([1.0] * 6, id="s", outputs=asked), path)["outputs"]
    assert only["data"] == ["lost"]
    told = error(door, call([1.0] * 6, outputs=asked))
    assert told[0] == 400
    assert "this model decides none" in told[1]
    outputs = door.get("/v2/models/late/versions/2").json()["outputs"]
    assert [(tensor["name"], tensor["shape"]) for tensor in outputs] == [
        ("prediction", [-1]),
        ("outputs", [-1, 3]),
        ("predicted_class", [-1]),
    ]


def test_rows_that_are_split_among_models_of_other_outputs_have_no_tensor(door: Door, world: World) -> None:
    world.register(targets(6, 2))
    world.registry.set_serving_config(ServingConfig("late", 2, 0.5, None), by="ann", why="by hand")
    world.models.refresh()
    status, told = error(door, call(*[ROWS[1]] * 50, id="r"))
    assert (status, "versions ['1', '2'], which have other outputs" in told) == (400, True)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"name": "input0"}, "a model's input is 'vector'"),
        ({"shape": [2, 6]}, "one of shape [2, 6] has 6 values"),
        ({"shape": [6]}, "malformed"),
        ({"shape": [0, 6], "data": []}, "malformed"),
        ({"shape": [1, 5], "data": [1, 2, 3, 4, 5]}, "6 values; one of 5 cannot be scored"),
        ({"datatype": "INT32"}, "Invalid enum value 'INT32'"),
        ({"data": ["x"] * 6}, "Expected `float | array | null`"),
        ({"data": [None] * 6}, "a prediction is a finite number"),
    ],
)
def test_a_wrong_tensor_is_told(door: Door, change: dict[str, Any], told: str) -> None:
    body = call(ROWS[0])
    body["inputs"][0] |= change
    status, text = error(door, body)
    assert status == 400
    if told != "malformed":
        assert told in text
    else:
        assert "follows the Open Inference Protocol" in text


def test_a_wrong_call_is_told(door: Door) -> None:
    body = call(ROWS[0])
    for more, told in (
        ({"outputs": [{"name": "label2"}]}, "this call asks for 'label2'"),
        ({"parameters": {"timeout": "soon"}}, "it is 'soon'"),
        ({"parameters": {"timeout": 0}}, "it is 0"),
        ({"inputs": []}, "length >= 1"),
    ):
        status, text = error(door, body | more)
        assert (status, told in text) == (400, True)
    assert error(door, body, "/v2/models/early/infer")[0] == 404
    assert error(door, body, "/v2/models/late/versions/9/infer")[0] == 404
    assert error(door, body, "/v2/models/late/versions/first/infer")[0] == 404
    assert error(door, body, "/v2/models/late")[0] == 405
    assert error(door, body, "/v2/nowhere")[0] == 404
    assert door.get("/v2/models/late/infer").json().keys() == {"error"}


def test_a_call_whose_time_is_up_is_told(door: Door, world: World) -> None:
    moments = iter(range(0, 10_000, 5))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(World, "clock", lambda _: world.now + next(moments))
        late = Door(world)
        answer = late.post("/v2/models/late/infer", json=call(ROWS[0], parameters={"timeout": 1}))
        late.spool.close()
    assert answer.status_code == 504
    assert "begun within its timeout_ms" in answer.json()["error"]


def test_a_body_that_is_too_large_is_told(world: World) -> None:
    world.serve(regressor(6))
    door = Door(world)
    answer = door.post("/v2/models/late/infer", content=b"x" * (1 << 21))
    assert (answer.status_code, answer.json().keys()) == (413, {"error"})
    door.spool.close()


def test_the_server_and_its_models_are_described(door: Door, world: World) -> None:
    assert door.get("/v2").json()["name"] == "augury"
    assert door.get("/v2/health/live").json() == {"live": True}
    assert door.get("/v2/health/ready").json() == {"ready": True}
    world.register(regressor(6, 2.0))
    world.registry.set_serving_config(ServingConfig("late", 2, 0.5, None), by="ann", why="by hand")
    world.models.refresh()
    model = door.get("/v2/models/late").json()
    assert (model["name"], model["versions"]) == ("late", ["1", "2"])
    assert model["inputs"] == [{"name": "vector", "datatype": "FP64", "shape": [-1, 6]}]
    assert model["outputs"][0] == {"name": "prediction", "datatype": "FP64", "shape": [-1]}
    assert door.get("/v2/models/late/versions/2").json() == model
    for path in ("/v2/models/late/ready", "/v2/models/late/versions/2/ready"):
        assert door.get(path).json() == {"name": "late", "ready": True}
    assert door.get("/v2/models/early/ready").status_code == 404
    assert door.get("/v2/models/late/versions/9").json().keys() == {"error"}


def test_tokens_have_scopes(door: Door, world: World, tmp_path: Path) -> None:
    tokens = TokensFile(tmp_path / "tokens.json")
    predicts, reads = (
        tokens.create(scope.value, frozenset({scope}), world.now, None)
        for scope in (Scope.PREDICT, Scope.READ)
    )
    closed = Door(world, tokens_file=tmp_path / "tokens.json")
    body = call(ROWS[0])

    def status(method: str, path: str, token: str | None) -> int:
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        answer = closed.request(method, path, headers=headers, json=body if method == "POST" else None)
        if answer.status_code >= 400:
            assert answer.json().keys() == {"error"}
            assert answer.headers["www-authenticate"].startswith("Bearer")
        return answer.status_code

    infer_path = "/v2/models/late/infer"
    assert [status("POST", infer_path, token) for token in (None, reads, predicts)] == [401, 403, 200]
    assert [status("GET", "/v2/models/late", token) for token in (None, predicts, reads)] == [401, 403, 200]
    assert status("GET", "/v2/health/ready", None) == 200
    closed.spool.close()


def test_an_existing_client_is_served(door: Door) -> None:
    with listening(door.app) as address, triton.InferenceServerClient(address) as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("late", "1")
        assert client.get_server_metadata()["name"] == "augury"
        assert client.get_model_metadata("late")["inputs"][0]["shape"] == [-1, 6]
        tensor = triton.InferInput("vector", [2, 6], "FP32")
        tensor.set_data_from_numpy(np.array(ROWS, np.float32), binary_data=False)
        name = uuid.uuid4().hex
        asked = [triton.InferRequestedOutput("prediction", binary_data=False)]
        found = client.infer("late", [tensor], request_id=name, outputs=asked, timeout=60_000_000)
        np.testing.assert_allclose(found.as_numpy("prediction"), [21.0, 3.0])
        assert found.get_response()["id"] == name
        np.testing.assert_allclose(client.infer("late", [tensor]).as_numpy("prediction"), [21.0, 3.0])
        with pytest.raises(InferenceServerException, match="nothing can answer for 'early'"):
            client.infer("early", [tensor])
