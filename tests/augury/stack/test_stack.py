"""The real stack."""

import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from augury.settings import Settings, child_environment
from augury.stack import Stack
from augury.stack.probes import get_json, say

PARTS = ["kafka", "registry", "redis", "flink-jobmanager", "flink-taskmanager", "warehouse", "prefect"]


def command(settings: Settings, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "augury", *words],
        env=child_environment(**settings.environment(), COLUMNS="200"),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.stack
def test_status_of_a_stack_that_is_up(stack: Stack) -> None:
    done = command(stack.settings, "status", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    parts = json.loads(done.stdout)
    assert [part["name"] for part in parts] == PARTS
    assert {part["state"] for part in parts} == {"up"}
    assert sum(part["rss"] for part in parts) < 3 * 2**30


@pytest.mark.stack
def test_every_port_is_on_loopback(stack: Stack) -> None:
    pids = [part.pid for part in stack.status() if part.pid]
    family = set(pids) | {child.pid for pid in pids for child in psutil.Process(pid).children(recursive=True)}
    listening = [
        each for each in psutil.net_connections("tcp") if each.pid in family and each.status == "LISTEN"
    ]
    assert len(listening) >= len(pids)
    assert {each.laddr[0].removeprefix("::ffff:") for each in listening} <= {"127.0.0.1", "::1"}


@pytest.mark.stack
def test_a_killed_task_manager_is_named_and_comes_back_with_its_slots(stack: Stack) -> None:
    stack.kill("flink-taskmanager")
    done = command(stack.settings, "status")
    assert done.returncode == 1
    assert "flink-taskmanager ended" in done.stdout
    stack.start("flink-taskmanager")
    overview = get_json(stack.settings.flink_port, "/overview")
    assert overview["slots-total"] == stack.settings.task_slots


@pytest.mark.stack
def test_the_commands_leave_no_process_and_state_survives(tmp_path: Path) -> None:
    settings = Settings.with_free_ports(tmp_path)
    cheap = ("--only", "redis", "--only", "kafka")
    try:
        done = command(settings, "up", *cheap)
        assert done.returncode == 0, done.stdout + done.stderr
        stack = Stack(settings, parts=("redis", "kafka"))
        first = stack.status()
        assert [part.state for part in first] == ["up", "up"]  # they outlive the command
        assert say(settings.redis_port, b"SET kept 1\r\n") == b"+OK\r\n"
        admin = AdminClient({"bootstrap.servers": settings.kafka_bootstrap})
        admin.create_topics([NewTopic("kept", 1, 1)])["kept"].result(30)
        del admin  # it would go on calling

        assert "ended kafka, redis" in command(settings, "down").stdout
        assert not any(str(tmp_path) in " ".join(each.info["cmdline"] or ()) for each in processes())

        assert command(settings, "up", *cheap).returncode == 0
        assert say(settings.redis_port, b"GET kept\r\n") == b"$1\r\n1\r\n"
        assert (
            "kept"
            in AdminClient({"bootstrap.servers": settings.kafka_bootstrap}).list_topics(timeout=30).topics
        )
    finally:
        command(settings, "down")


def processes() -> list[psutil.Process]:
    return list(psutil.process_iter(["cmdline"]))


def test_an_unknown_part_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no part"):
        Stack(Settings(home=tmp_path), parts=("zookeeper",))
