from pathlib import Path

import pytest
from redis import Redis
from typer.testing import CliRunner

from augury.cli import app
from augury.clients import codec, warehouse
from augury.settings import Settings
from augury.stack import Stack
from features.compile import compile_group
from features.layout import Layout, row_key
from features.reference import rows
from schemas.log import Topic, create_topics, producer
from tests.definitions import plain
from tests.features.logs import HOUR, MINUTE, START, Step, log
from warehouse.client import migrate
from warehouse.contracts import record

PLAN = compile_group(plain)
ROWS = rows(PLAN, log([Step(gap=MINUTE, delay=float(i)) for i in range(10)]), START + HOUR)


@pytest.mark.stack
def test_an_applied_groups_rows_are_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings.with_free_ports(tmp_path / "home")
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    with Stack(settings, parts=("kafka", "registry", "redis", "warehouse")):
        client = warehouse(settings)
        migrate(client)
        record(client, [PLAN], 1_000)
        client.close()
        create_topics(settings.kafka_bootstrap, [Topic(PLAN.topic, config={"retention.ms": "-1"})])
        encode = codec(settings).encoder(PLAN.topic, PLAN.avro_schema())
        sender = producer(settings.kafka_bootstrap)
        for row in ROWS:
            sender.produce(PLAN.topic, encode(row), row["entity"])
        assert sender.flush(30) == 0
        sender.close()
        words = ["rematerialise", "plain", "--version", "1", "--as-of", "2013-01-01T00:05:00Z"]
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, done.output
        assert (
            "plain.v1 as of 2013-01-01 00:05:00 UTC, epoch 1: 1 entities, 1 with an older row" in done.output
        )
        with Redis.from_url(settings.redis_url) as redis:
            value = redis.get(row_key("plain", 1, "A"))
        assert isinstance(value, bytes)
        held = Layout.of(PLAN).unpack(value)
        expected = [row for row in ROWS if row["event_timestamp"] <= START + 5 * MINUTE][-1]
        assert held == {name: expected[name] for name in held}
        unknown = CliRunner().invoke(app, ["rematerialise", "plain", "--version", "2", *words[4:]])
        assert unknown.exit_code == 2
