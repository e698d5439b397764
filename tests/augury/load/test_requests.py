from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from augury.load.requests import RequestsError, make_requests, read_requests
from augury.settings import Settings
from augury.stack import Stack
from features.compile_model import compile_model
from features.layout import row_key
from features.vector import ModelPlan
from tests.definitions import late


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    settings = Settings.with_free_ports(tmp_path_factory.mktemp("redis"))
    with Stack(settings, parts=("redis",)), Redis.from_url(settings.redis_url) as store:
        yield store


def fill(store: Redis, plan: ModelPlan) -> None:
    store.flushall()
    for group in plan.groups:
        for key in ("A", "B|\\x", "ü"):
            store.set(row_key(group.group, group.version, key), b"row")


def test_requests_name_entities_that_have_rows_and_bring_every_input(store: Redis) -> None:
    plan = compile_model(late)
    fill(store, plan)
    made = make_requests(plan, store, 7, {}, count=200)
    assert {key for body in made for key in body["entity_keys"].values()} == {"A", "B|\\x", "ü"}
    assert all(set(body["entity_keys"]) == set(plan.entities) for body in made)
    assert all(set(body["inputs"]) == set(plan.inputs) for body in made)
    assert made == make_requests(plan, store, 7, {}, count=200)


def test_an_input_that_is_given_is_in_each_request(store: Redis) -> None:
    plan = compile_model(late)
    fill(store, plan)
    name = next(iter(plan.inputs))
    assert {body["inputs"][name] for body in make_requests(plan, store, 7, {name: 5})} == {5}
    with pytest.raises(RequestsError, match="it has no nothing"):
        make_requests(plan, store, 7, {"nothing": 1})


def test_a_store_without_rows_is_told(store: Redis) -> None:
    store.flushall()
    with pytest.raises(RequestsError, match="it has no row of"):
        make_requests(compile_model(late), store, 7, {})


def test_a_file_has_a_request_a_line(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    path.write_text('{"model_name": "m", "request_id": "old", "entity_id": "x"}\n\n{"model_name": "n"}\n')
    assert read_requests(path) == [{"model_name": "m", "entity_id": "x"}, {"model_name": "n"}]


@pytest.mark.parametrize(
    ("text", "told"),
    [("", "holds none"), ("{", "line 1"), ('{"model_name": "m"}\n[1]', "line 2"), ("{}", "line 1")],
)
def test_a_file_that_holds_something_else_is_told(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "requests.jsonl"
    path.write_text(text)
    with pytest.raises(RequestsError, match=told):
        read_requests(path)
