from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result
from redis import Redis
from typer.testing import CliRunner

from augury.cli import app
from augury.clients import codec, warehouse
from augury.models import registry
from augury.settings import Settings
from augury.stack import Stack
from features.compile import compile_group
from features.compile_model import compile_model
from features.layout import clock_key, pack_clock
from schemas.log import Topic, consumer, create_topics
from tests.definitions import late, plain, stand
from tests.registered import register
from warehouse.client import migrate
from warehouse.contracts import record

PLANS = [
    compile_group(replace(plain, version=version, **change))  # type: ignore[arg-type]
    for version, change in enumerate(
        ({}, {"where": "seats > 2"}, {"aggregates": plain.aggregates[1:]}, {"entity": stand}), 1
    )
]
MODEL = compile_model(replace(late, features=[plain["count_1h"]], inputs={}, on_demand={}))
MINUTE = 60_000
NOW = 1_700_000_000_000

pytestmark = pytest.mark.stack


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Four versions of a group that were applied, and a champion that was trained on the first."""
    settings = Settings.with_free_ports(tmp_path / "home")
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    with Stack(settings, parts=("kafka", "registry", "redis", "warehouse")):
        client = warehouse(settings)
        migrate(client)
        record(client, PLANS, 1_000)
        client.close()
        create_topics(settings.kafka_bootstrap, [Topic("registry.events")])
        held = registry(settings)
        who = {"by": "a test", "why": "a test"}
        register(held, "late", MODEL.to_dict(), **who)
        held.promote("late", 1, **who)
        held.close()
        yield settings


def run(*words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--why", "a test", "--by", "ann"])


def cut(after: int) -> Result:
    return run("cutover", "plain", "--from", "1", "--to", str(after))


def routes(settings: Settings) -> dict[tuple[str, int], str]:
    held = registry(settings)
    found = {key: target.label for key, target in held.cutovers.routes().items()}
    held.close()
    return found


def events(settings: Settings) -> list[tuple[str, int, str]]:
    """Read all events that went to the log."""
    reader = consumer(settings.kafka_bootstrap, "a-test", **{"enable.partition.eof": True})
    reader.subscribe(["registry.events"])
    decode, found = codec(settings).decode, []
    while True:
        message = reader.poll(30)
        assert message is not None
        if message.error() is not None:
            break  # the end of the one partition
        event = decode(message.value() or b"")
        found.append((event["kind"], event["version"], event["by"]))
    reader.close()
    return found


def test_a_cut_over_is_for_versions_that_keep_up_and_is_taken_back(settings: Settings) -> None:
    redis = Redis.from_url(settings.redis_url)
    redis.set(clock_key("plain", 1), pack_clock(NOW))
    for after, said in (
        (5, "plain.v5 was not"),
        (1, "leads to another version"),
        (4, "only for the same entity"),
        (2, "v2 shows no clock"),
    ):
        done = cut(after)
        assert done.exit_code == 1
        assert said in done.output
    redis.set(clock_key("plain", 2), pack_clock(NOW - 10 * MINUTE - 1))
    assert "600001 ms behind v1" in cut(2).output
    redis.set(clock_key("plain", 3), pack_clock(NOW))
    assert "late reads count_1h (bigint) of plain.v1" in cut(3).output
    assert routes(settings) == {}
    nothing = run("rollback", "--group", "plain")
    assert nothing.exit_code == 1
    assert "Go on?" not in nothing.output
    assert "needs a cut-over that holds" in nothing.output

    redis.set(clock_key("plain", 2), pack_clock(NOW - 10 * MINUTE))
    done = cut(2)
    assert done.exit_code == 0, done.output
    assert routes(settings) == {("plain", 1): "plain.v2"}
    asked = run("rollback", "--group", "plain")
    assert asked.exit_code == 1
    assert "plain.v1 is read again. Go on?" in asked.output
    assert routes(settings) == {("plain", 1): "plain.v2"}
    done = run("rollback", "--group", "plain", "--yes")
    assert done.exit_code == 0, done.output
    assert "plain.v1 is read; it has come to 2023-11-14 22:13:20 UTC" in done.output
    assert routes(settings) == {}
    assert [event for event in events(settings) if event[0].startswith("features_")] == [
        ("features_cut_over", 1, "ann"),
        ("features_rolled_back", 1, "ann"),
    ]
    redis.close()
