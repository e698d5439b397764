import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from augury.cli import app
from augury.settings import Settings

RUNNER = CliRunner()


def test_the_commands_are_listed() -> None:
    shown = RUNNER.invoke(app, ["--help"]).output
    assert all(name in shown for name in ("up", "down", "status", "jars"))


def test_a_list_of_commands_imports_none_of_them_and_says_what_each_does() -> None:
    code = """if True:
        import sys
        from typer.main import get_command
        from augury.cli import app
        group = get_command(app)
        listed = [group.get_command(None, name) for name in group.list_commands(None)]
        assert len(listed) > 20 and all(command.help for command in listed), listed
        assert not [name for name in sys.modules if name.startswith("augury.commands.")]
    """
    subprocess.run([sys.executable, "-c", code], check=True)


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
