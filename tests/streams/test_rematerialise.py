from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer

from features.layout import epoch_key, floors_key
from schemas.codec import Codec
from schemas.log import consumer
from schemas.registry import SchemaRegistry
from streams.rematerialise import PutBack, SupersededError, rematerialise

from .test_materialiser import LAYOUT, Running, World, until

pytestmark = pytest.mark.stack


@pytest.fixture
def world(stack: Any) -> Iterator[World]:
    world = World(stack.settings)
    yield world
    world.producer.flush(10)
    world.redis.close()


@pytest.fixture
def reader(world: World) -> Iterator[Consumer]:
    options = {"enable.partition.eof": True}
    reader = consumer(world.settings.kafka_bootstrap, f"rematerialise.{world.group}", **options)
    yield reader
    reader.close()


def put_back(world: World, reader: Consumer, as_of: int, codec: Codec | None = None) -> PutBack:
    world.producer.flush(10)
    group = (world.group, 1)
    return rematerialise(reader, world.redis, codec or world.codec, group, LAYOUT, world.topic, as_of)


def shown(world: World, *entities: str) -> list[int | None]:
    held = [world.held(entity) for entity in entities]
    return [None if row is None else row["seq"] for row in held]


def test_rows_go_back_to_a_time_and_on_from_there(world: World, reader: Consumer) -> None:
    """A row's moment is 1,000 ms and its `seq`."""
    for entity, rows in (("AA", (1, 2, 3, 4, 5)), ("BB", (5, 6)), ("CC", (1, 2))):
        for seq in rows:
            world.row(entity, seq, n=seq)
    world.raw(b"not Avro")
    with Running(world.materialiser()) as running:
        until(lambda: shown(world, "AA", "BB", "CC") == [5, 6, 2])
        done = put_back(world, reader, 1_003)
        assert done == PutBack(epoch=1, entities=3, older=1, removed=1)
        assert shown(world, "AA", "BB", "CC") == [3, None, 2]
        assert (world.held("AA") or {})["n"] == 3

        before = running.counts.older
        for entity, seq in (("AA", 4), ("AA", 5), ("BB", 6)):  # as a job that was restarted repeats them
            world.row(entity, seq, n=99)
        world.producer.flush(10)
        until(lambda: running.counts.read == 13)
        assert shown(world, "AA", "BB", "CC") == [3, None, 2]
        assert running.counts.older > before
        for entity, seq in (("AA", 6), ("BB", 7), ("CC", 3)):
            world.row(entity, seq)
        until(lambda: shown(world, "AA", "BB", "CC") == [6, 7, 3])
        world.row("AA", 5)  # and never back within the epoch
        world.row("CC", 4)
        until(lambda: shown(world, "CC") == [4])
    assert shown(world, "AA", "BB", "CC") == [6, 7, 4]


def test_a_later_time_takes_it_back(world: World, reader: Consumer) -> None:
    for seq in range(1, 6):
        world.row("AA", seq, n=seq)
    with Running(world.materialiser()):
        until(lambda: shown(world, "AA") == [5])
        put_back(world, reader, 1_002)
        assert shown(world, "AA") == [2]
        assert put_back(world, reader, 9_000) == PutBack(epoch=2, entities=1, older=0, removed=0)
        assert shown(world, "AA") == [5]
        world.row("AA", 6)
        until(lambda: shown(world, "AA") == [6])


def test_rows_that_came_meanwhile_stay(world: World, reader: Consumer) -> None:
    """The log ends where it was read; what is newer in the store came after."""
    for seq in range(1, 4):
        world.row("AA", seq)
    world.redis.set(
        f"augury:{world.group}:v1:AA", LAYOUT.pack({"event_timestamp": 1_009, "seq": 9, "n": 9, "name": ""})
    )
    put_back(world, reader, 1_001)
    assert shown(world, "AA") == [9]
    assert world.redis.hgetall(floors_key(world.group, 1)) == {f"augury:{world.group}:v1:AA".encode(): b"3"}


class Overtaken(Codec):
    """A codec during whose work another run begins."""

    def __init__(self, world: World) -> None:
        super().__init__(SchemaRegistry(world.settings.registry_url))
        self.world = world

    def decode(self, data: bytes) -> dict[str, Any]:
        self.world.redis.incr(epoch_key(self.world.group, 1))
        return super().decode(data)


def test_the_newest_of_two_runs_holds(world: World, reader: Consumer) -> None:
    for seq in range(1, 4):
        world.row("AA", seq)
    with Running(world.materialiser()):
        until(lambda: shown(world, "AA") == [3])
    with pytest.raises(SupersededError, match=f"epoch 1 of {world.group}"):
        put_back(world, reader, 1_001, Overtaken(world))
    assert shown(world, "AA") == [3]
