import json
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from augury.logs import JsonFormatter, TextFormatter, quiet_clients
from augury.settings import Settings, child_environment

SECRETS = ["hunter2"]


def record(message: str, *args: object, **more: Any) -> logging.LogRecord:
    made = logging.LogRecord("inference.door", logging.WARNING, "door.py", 1, message, args, None)
    made.created = 1_700_000_000.25
    made.__dict__.update(more)
    return made


def test_a_record_is_one_line_of_json() -> None:
    line = JsonFormatter("http", []).format(record("two\nlines of %s", "é"))
    assert "\n" not in line
    assert json.loads(line) == {
        "ts": "2023-11-14T22:13:20.250Z",
        "level": "warning",
        "logger": "inference.door",
        "message": "two\nlines of é",
        "service": "http",
    }


def test_what_is_known_of_a_request_is_there() -> None:
    found = json.loads(JsonFormatter("http", []).format(record("x", request_id="r1", trace_id="ab")))
    assert (found["request_id"], found["trace_id"]) == ("r1", "ab")


def test_an_exception_has_its_traceback_on_the_same_line() -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        line = JsonFormatter("http", []).format(record("failed", exc_info=sys.exc_info()))
    assert "ValueError: broken" in json.loads(line)["error"]
    assert "\n" not in line


@pytest.mark.parametrize("make", [lambda: JsonFormatter("http", SECRETS), lambda: TextFormatter(SECRETS)])
def test_secrets_are_in_no_line(make: Callable[[], logging.Formatter]) -> None:
    try:
        raise ConnectionError("redis://:hunter2@redis:6379 is away")
    except ConnectionError:
        line = make().format(record("no answer of %s", "redis://:hunter2@redis", exc_info=sys.exc_info()))
    assert "hunter2" not in line
    assert "redis:6379 is away" in line


def test_the_settings_know_their_secrets(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path,
        kafka_password=SecretStr("k"),
        prefect_auth=SecretStr("admin:p"),
        redis_url="redis://:r%2Fs@redis:6379/0",
        registry_database_url="postgresql+psycopg://augury:pg@postgres/augury",
        http_token=SecretStr("token"),
    )
    assert set(settings.secrets()) == {"k", "admin:p", "p", "r%2Fs", "r/s", "pg", "token"}
    assert Settings(home=tmp_path).secrets() == []


def test_a_service_writes_lines_of_json(tmp_path: Path) -> None:
    """The ticker, whose log is away: it says so until it is told to stop."""
    settings = Settings.with_free_ports(tmp_path, log_format="json")
    command = [sys.executable, "-m", "augury", "service", "ticker", "examples.flights"]
    environment = child_environment(**settings.environment())
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        # librdkafka writes lines of its own
        line = next(line for line in process.stderr if line.startswith("{"))
    finally:
        process.kill()
        process.communicate()
    found = json.loads(line)
    assert (found["service"], found["logger"]) == ("ticker", "augury.services.ticker")
    assert "clocks stand still" in found["message"]


def test_clients_do_not_speak_before_a_command_does(caplog: pytest.LogCaptureFixture) -> None:
    quiet_clients()
    try:
        logging.getLogger("clickhouse_connect.driver.httpclient").error("unexpected")
        logging.getLogger("urllib3.connectionpool").warning("retrying")
        interrupted = logging.LogRecord("root", logging.ERROR, "/py4j/java_gateway.py", 1, "no", None, None)
        logging.getLogger().handle(interrupted)
        assert not caplog.records
    finally:
        for name in ("clickhouse_connect", "urllib3"):
            logging.getLogger(name).setLevel(logging.NOTSET)
