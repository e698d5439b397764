import errno
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from augury.cli import app
from augury.commands import status
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


def test_a_setting_that_is_refused_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value, said in (
        ("HTTP_PORT", "abc", "AUGURY_HTTP_PORT: Input should be a valid integer"),
        ("HTTP_PORT", "abc", "(found 'abc')"),
        ("HTTP_TLS_CERT", "/x", "a certificate comes with its key"),
    ):
        with monkeypatch.context() as patch:
            patch.setenv(f"AUGURY_{name}", value)
            done = RUNNER.invoke(app, ["status"])
        assert (done.exit_code, said in done.output, len(done.output.splitlines())) == (1, True, 1)


def test_who_does_not_answer_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings.with_free_ports(tmp_path)
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    done = RUNNER.invoke(app, ["predict", "late"])
    assert done.exit_code == 1
    assert f"http://127.0.0.1:{settings.http_port} did not answer: " in done.output
    done = RUNNER.invoke(app, ["alerts", "list"])
    assert done.exit_code == 1
    assert done.output.startswith("augury: the warehouse is looked for at")
    monkeypatch.setenv("AUGURY_REGISTRY_DATABASE_URL", "postgresql+psycopg://a@127.0.0.1:1/b")
    done = RUNNER.invoke(app, ["models", "list"])
    assert (done.exit_code, "Traceback" in done.output, "refused" in done.output) == (1, False, True)


def test_a_page_that_cannot_be_written_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for out in (tmp_path, tmp_path / "none" / "x.html"):
        monkeypatch.setattr(status, "Stack", lambda _, out=out: out.write_text("page"))
        done = RUNNER.invoke(app, ["status"])
        assert (done.exit_code, len(done.output.splitlines())) == (1, 1)
        assert str(out) in done.output


def test_an_interruption_is_said_and_a_closed_pipe_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    for raised, code, said in ((KeyboardInterrupt, 130, "interrupted\n"), (BrokenPipeError, 1, "")):

        def fail(_: object, raised: type[BaseException] = raised) -> None:
            raise raised(errno.EPIPE, "Broken pipe")

        monkeypatch.setattr(status, "Stack", fail)
        done = RUNNER.invoke(app, ["status"])
        assert (done.exit_code, done.output) == (code, said)


def test_a_failure_of_a_part_is_a_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUGURY_HOME", str(tmp_path))
    monkeypatch.setenv("AUGURY_JARS", str(tmp_path / "jars"))
    monkeypatch.setenv("PATH", str(tmp_path))
    done = RUNNER.invoke(app, ["jars"])
    assert done.exit_code == 1
    assert "augury: the stack's jars come from Maven Central" in done.output
