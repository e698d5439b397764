import stat
import threading
from pathlib import Path

import pytest

from inference.tokens import ID_LENGTH, Scope, TokenError, TokensFile, digest_of, read_tokens

PREDICT = frozenset({Scope.PREDICT})


@pytest.fixture
def file(tmp_path: Path) -> TokensFile:
    return TokensFile(tmp_path / "made" / "tokens.json")


def held(tmp_path: Path) -> bytes:
    return (tmp_path / "made" / "tokens.json").read_bytes()


def test_a_token_is_kept_by_its_hash_alone(file: TokensFile, tmp_path: Path) -> None:
    text = file.create("web", frozenset({Scope.PREDICT, Scope.READ}), 5, 9)
    (token,) = file.tokens()
    assert token.digest == digest_of(text.encode())
    assert (token.name, token.scopes, token.created_at, token.expires_at) == (
        "web",
        {Scope.PREDICT, Scope.READ},
        5,
        9,
    )
    assert text.startswith(token.id)
    secret = text[ID_LENGTH + 1 :]
    assert len(secret) == 43  # 256 bits in base64
    assert secret.encode() not in held(tmp_path)
    assert token.digest.hex() not in repr(token)


def test_tokens_differ(file: TokensFile) -> None:
    assert len({file.create(str(n), PREDICT, 0, None) for n in range(20)}) == 20
    assert len({token.id for token in file.tokens()}) == 20


def test_the_file_is_its_owners_alone(file: TokensFile, tmp_path: Path) -> None:
    file.create("web", PREDICT, 0, None)
    path = tmp_path / "made" / "tokens.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    file.create("batch", PREDICT, 0, None)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_is_revoked_is_gone(file: TokensFile) -> None:
    file.create("web", PREDICT, 0, None)
    file.create("batch", PREDICT, 0, None)
    file.revoke("web")
    assert [token.name for token in file.tokens()] == ["batch"]
    with pytest.raises(TokenError, match=r"a token \(batch\); there is none called 'web'"):
        file.revoke("web")


def test_a_change_that_is_refused_writes_nothing(file: TokensFile, tmp_path: Path) -> None:
    file.create("web", PREDICT, 0, None)
    before = held(tmp_path)
    for name, scopes in (("web", PREDICT), (" ", PREDICT), ("other", frozenset[Scope]())):
        with pytest.raises(TokenError, match="nothing was written"):
            file.create(name, scopes, 0, None)
    assert held(tmp_path) == before
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["tokens.json"]


def test_changes_at_once_do_not_mix(file: TokensFile) -> None:
    def create(start: int) -> None:
        for number in range(start, start + 10):
            file.create(str(number), PREDICT, 0, None)

    threads = [threading.Thread(target=create, args=(start,)) for start in (0, 10, 20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {token.name for token in file.tokens()} == {str(number) for number in range(30)}


def test_what_a_killed_process_left_does_not_stand_in_the_way(file: TokensFile, tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / ".tokens.json.new").write_text("half")
    file.create("web", PREDICT, 0, None)
    assert [token.name for token in file.tokens()] == ["web"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"tokens": [1]}',
        '{"tokens": [{"id": "aug_0123456789ab"}]}',
        '{"tokens": [{"id": "aug_0123456789ab", "name": "s3cret", "scopes": ["all"], '
        '"sha256": "00", "created_at": 0, "expires_at": null}]}',
    ],
)
def test_a_file_of_another_form_is_refused_and_not_quoted(tmp_path: Path, text: str) -> None:
    (tmp_path / "tokens.json").write_text(text)
    with pytest.raises(TokenError, match="nothing of it counts") as caught:
        read_tokens(tmp_path / "tokens.json")
    assert "s3cret" not in str(caught.value)
