from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from augury.cli import app
from augury.clock import wall_ms
from inference.access import Access
from inference.tokens import Scope, TokensFile

RUNNER = CliRunner()


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    found = tmp_path / "tokens.json"
    monkeypatch.setenv("AUGURY_HTTP_TOKENS_FILE", str(found))
    monkeypatch.setenv("COLUMNS", "200")
    return found


def token(*words: str) -> Result:
    return RUNNER.invoke(app, ["token", *words])


def test_a_token_is_printed_once_and_opens_the_door(file: Path) -> None:
    done = token("create", "web", "--scope", "predict", "--scope", "read", "--expires", "90d")
    assert done.exit_code == 0
    text = done.stdout.strip()
    assert "expires at" in done.stderr
    access = Access(wall_ms, tokens_file=file)
    header = f"Bearer {text}".encode()
    assert access.check(header, Scope.PREDICT) is None
    assert access.check(header, Scope.READ) is None
    assert access.check(header, Scope.ADMIN) is not None
    (held,) = TokensFile(file).tokens()
    assert held.expires_at is not None
    assert held.expires_at - held.created_at == 90 * 86_400_000
    shown = token("list").stdout
    assert held.id in shown
    assert "predict, read" in shown
    assert text not in shown


def test_a_revoked_token_is_gone(file: Path) -> None:
    token("create", "web", "--scope", "read", "--expires", "never")
    assert "never" in token("list").stdout
    assert token("revoke", "web").exit_code == 0
    assert TokensFile(file).tokens() == []
    refused = token("revoke", "web")
    assert (refused.exit_code, "there is none called 'web'" in refused.stderr) == (1, True)


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        (["web"], 2, "scope"),
        (["web", "--scope", "all"], 2, "all"),
        (["web", "--scope", "read", "--expires", "soon"], 1, "a duration is a positive whole number"),
    ],
)
def test_what_is_refused_writes_nothing(file: Path, words: list[str], status: int, text: str) -> None:
    done = token("create", *words)
    assert done.exit_code == status
    assert text in done.stderr
    assert not file.exists()


def test_without_a_file_there_are_no_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUGURY_HTTP_TOKENS_FILE", raising=False)
    done = token("list")
    assert (done.exit_code, "AUGURY_HTTP_TOKENS_FILE" in done.stderr) == (2, True)
