import logging
from pathlib import Path

import pytest

from inference.access import Access, Refusal
from inference.tokens import Scope, TokenError, TokensFile

PREDICT = frozenset({Scope.PREDICT})


class Clock:
    now = 1_000_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tokens.json"


def bearer(text: str) -> bytes:
    return f"Bearer {text}".encode()


def kind(refusal: Refusal | None) -> tuple[int, str] | None:
    return None if refusal is None else (refusal.status, refusal.kind)


def test_without_any_token_everybody_may_ask(clock: Clock) -> None:
    access = Access(clock)
    assert access.open
    assert access.check(None, Scope.ADMIN) is None


def test_the_single_token_has_all_scopes(clock: Clock) -> None:
    access = Access(clock, "s3cret")
    assert not access.open
    assert all(access.check(bearer("s3cret"), scope) is None for scope in Scope)
    for header in (None, b"", b"Bearer", b"Bearer ", b"Basic s3cret", b"s3cret"):
        refusal = access.check(header, Scope.READ)
        assert kind(refusal) == (401, "unauthorized")
        assert refusal is not None
        assert refusal.challenge == 'Bearer realm="augury"'
    for header in (b"Bearer s3cre", b"Bearer s3crets", b"Bearer S3CRET", b"Bearer \xff\x00"):
        refusal = access.check(header, Scope.READ)
        assert kind(refusal) == (401, "unauthorized")
        assert refusal is not None
        assert 'error="invalid_token"' in refusal.challenge


def test_the_scheme_is_spelled_as_one_likes(clock: Clock) -> None:
    access = Access(clock, "s3cret")
    assert access.check(b"bearer s3cret", Scope.READ) is None
    assert access.check(b"BEARER  s3cret ", Scope.READ) is None


def test_a_token_has_its_own_scopes_and_no_others(clock: Clock, path: Path) -> None:
    text = TokensFile(path).create("web", PREDICT, clock.now, None)
    access = Access(clock, tokens_file=path)
    assert access.check(bearer(text), Scope.PREDICT) is None
    for scope in (Scope.READ, Scope.ADMIN):
        refusal = access.check(bearer(text), scope)
        assert kind(refusal) == (403, "missing-scope")
        assert refusal is not None
        assert refusal.challenge.endswith(f'error="insufficient_scope", scope="{scope.value}"')


def test_a_secret_belongs_to_its_own_id(clock: Clock, path: Path) -> None:
    file = TokensFile(path)
    one, other = file.create("a", PREDICT, 0, None), file.create("b", PREDICT, 0, None)
    access = Access(clock, "s3cret", path)
    assert access.check(bearer("s3cret"), Scope.PREDICT) is None
    assert access.check(bearer(one), Scope.PREDICT) is None
    for mixed in (one[:17] + other[17:], one[:-1], one + "A", one[:16]):
        assert kind(access.check(bearer(mixed), Scope.PREDICT)) == (401, "unauthorized")


def test_a_token_expires(clock: Clock, path: Path) -> None:
    text = TokensFile(path).create("web", PREDICT, clock.now, clock.now + 500)
    access = Access(clock, tokens_file=path)
    clock.now += 499
    assert access.check(bearer(text), Scope.PREDICT) is None
    clock.now += 1
    refusal = access.check(bearer(text), Scope.PREDICT)
    assert refusal is not None
    assert (refusal.status, 'error_description="expired"' in refusal.challenge) == (401, True)


def test_tokens_are_made_and_revoked_while_the_door_runs(clock: Clock, path: Path) -> None:
    access, file = Access(clock, tokens_file=path), TokensFile(path)
    text = file.create("web", PREDICT, 0, None)
    assert not access.open
    assert kind(access.check(bearer(text), Scope.PREDICT)) == (401, "unauthorized")  # looked at just now
    clock.now += 1_000
    assert access.check(bearer(text), Scope.PREDICT) is None
    file.revoke("web")
    clock.now += 999
    assert access.check(bearer(text), Scope.PREDICT) is None
    clock.now += 1
    assert kind(access.check(bearer(text), Scope.PREDICT)) == (401, "unauthorized")


def test_a_clock_that_is_set_back_does_not_stop_the_looking(clock: Clock, path: Path) -> None:
    access = Access(clock, tokens_file=path)
    text = TokensFile(path).create("web", PREDICT, 0, None)
    clock.now -= 900_000
    assert access.check(bearer(text), Scope.PREDICT) is None


def test_a_file_that_cannot_be_read_leaves_the_tokens_in_force(
    clock: Clock, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = TokensFile(path)
    text = file.create("web", PREDICT, 0, None)
    access = Access(clock, tokens_file=path)

    def look() -> list[int]:
        caplog.clear()
        clock.now += 1_000
        assert access.check(bearer(text), Scope.PREDICT) is None
        return [record.levelno for record in caplog.records]

    sound = path.read_bytes()
    path.write_text("{")
    assert look() == [logging.ERROR]
    assert look() == []  # once told is enough
    path.unlink()
    assert look() == [logging.WARNING]
    path.mkdir()
    assert look() == [logging.ERROR]
    path.rmdir()
    path.write_bytes(sound)
    file.revoke("web")
    clock.now += 1_000
    assert kind(access.check(bearer(text), Scope.PREDICT)) == (401, "unauthorized")


def test_a_door_does_not_start_on_a_file_it_cannot_read(clock: Clock, path: Path) -> None:
    path.write_text("{")
    with pytest.raises(TokenError, match="nothing of it counts"):
        Access(clock, tokens_file=path)


def test_nothing_told_or_logged_holds_a_token(
    clock: Clock, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    text = TokensFile(path).create("web", PREDICT, 0, None)
    access = Access(clock, "s3cret", path)
    told = [repr(access), *(str(access.check(bearer(t), Scope.ADMIN)) for t in (text, text + "x", "other"))]
    told += [record.getMessage() for record in caplog.records]
    assert any("in force" in part for part in told)
    assert not any(secret in part for part in told for secret in (text[17:], "s3cret"))
