from pathlib import Path

import pytest
from typer.testing import CliRunner

from augury.cli import app
from augury.settings import Settings

RUNNER = CliRunner()


def test_the_commands_are_listed() -> None:
    shown = RUNNER.invoke(app, ["--help"]).output
    assert all(name in shown for name in ("up", "down", "status", "jars"))


def test_status_and_down_of_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in Settings.with_free_ports(tmp_path).environment().items():
        monkeypatch.setenv(name, value)
    assert RUNNER.invoke(app, ["status"]).exit_code == 1
    done = RUNNER.invoke(app, ["down"])
    assert done.exit_code == 0
    assert "nothing was running" in done.output


def test_a_failure_of_a_part_is_a_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUGURY_HOME", str(tmp_path))
    monkeypatch.setenv("AUGURY_JARS", str(tmp_path / "jars"))
    monkeypatch.setenv("PATH", str(tmp_path))
    done = RUNNER.invoke(app, ["jars"])
    assert done.exit_code == 1
    assert "augury: the stack's jars come from Maven Central" in done.output
