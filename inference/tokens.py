"""The tokens file: who may ask the doors, for what, until when."""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

_MARK = "aug_"
_ID_BYTES = 6
ID_LENGTH = len(_MARK) + 2 * _ID_BYTES
"""The characters of a token that name it; the rest is its secret."""


class Scope(StrEnum):
    """What a token may do. None implies another."""

    PREDICT = "predict"
    READ = "read"
    ADMIN = "admin"


class TokenError(ValueError):
    """A tokens file, or a change to it, breaks a rule."""


@dataclass(frozen=True)
class Token:
    """A token as the door knows it: never its text, only the SHA-256 of that.

    A password needs a slow hash, for it can be guessed. A token's secret is 256 random bits, which no
    number of guesses finds, so one round of SHA-256 hides it as well and costs a request less than 1 us.
    Times are ms since the epoch; `expires_at` None is never.
    """

    id: str
    name: str
    scopes: frozenset[Scope]
    digest: bytes = field(repr=False)
    created_at: int
    expires_at: int | None = None


def digest_of(text: bytes) -> bytes:
    """Give the hash under which a token's text is known."""
    return sha256(text).digest()


def read_tokens(file: Path) -> list[Token]:
    """Read a tokens file. Raises `OSError`, and `TokenError` for another form than `TokensFile` writes."""
    try:
        return [_token(held) for held in json.loads(file.read_bytes())["tokens"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TokenError(
            f"a tokens file is as `augury token` writes it; {file} is not, so nothing of it counts "
            f"({type(error).__name__})"  # not the error's text, which may quote the file
        ) from error


class TokensFile:
    """The tokens file as those see it who may change it. A change is whole, or none; changes do not mix."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def tokens(self) -> list[Token]:
        """Give the tokens; none where there is no file. Raises as `read_tokens`."""
        return read_tokens(self._file) if self._file.exists() else []

    def create(self, name: str, scopes: frozenset[Scope], now: int, expires_at: int | None) -> str:
        """Add a token and give its text, which is kept nowhere.

        Raises `TokenError` for a name that is taken or empty, and where there is no scope.
        """
        if not name.strip() or not scopes:
            raise TokenError(
                "a token has a name and at least one scope, or it could not be revoked or did nothing; "
                f"nothing was written (name {name!r}, {len(scopes)} scopes)"
            )
        with self._changing() as tokens:
            if any(token.name == name for token in tokens):
                raise TokenError(
                    f"a token is revoked by its name, so no two share one; there is a token {name!r}, and "
                    "nothing was written"
                )
            ident = _MARK + secrets.token_hex(_ID_BYTES)
            text = f"{ident}_{secrets.token_urlsafe(32)}"
            tokens.append(Token(ident, name, scopes, digest_of(text.encode()), now, expires_at))
        return text

    def revoke(self, name: str) -> None:
        """Remove a token; doors refuse it within about a second. Raises `TokenError` for an unknown name."""
        with self._changing() as tokens:
            kept = [token for token in tokens if token.name != name]
            if len(kept) == len(tokens):
                known = ", ".join(token.name for token in tokens) or "there is none"
                raise TokenError(f"what is revoked is a token ({known}); there is none called {name!r}")
            tokens[:] = kept

    @contextmanager
    def _changing(self) -> Iterator[list[Token]]:
        folder = self._file.parent
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)  # the file itself is replaced, so it holds no lock
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            tokens = self.tokens()
            yield tokens
            draft = self._file.with_name(f".{self._file.name}.new")
            draft.unlink(missing_ok=True)  # of a process that was killed
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
                json.dump({"tokens": [_record(token) for token in tokens]}, out, indent=1)
                out.flush()
                os.fsync(out.fileno())
            draft.replace(self._file)
            os.fsync(lock)
        finally:
            os.close(lock)


def _record(token: Token) -> dict[str, object]:
    return {
        "id": token.id,
        "name": token.name,
        "scopes": sorted(token.scopes),
        "sha256": token.digest.hex(),
        "created_at": token.created_at,
        "expires_at": token.expires_at,
    }


def _token(held: dict[str, object]) -> Token:
    scopes, expires_at = held["scopes"], held["expires_at"]
    if not isinstance(scopes, list):
        raise TypeError
    digest = bytes.fromhex(str(held["sha256"]))
    if len(digest) != sha256().digest_size or len(str(held["id"])) != ID_LENGTH:
        raise ValueError
    return Token(
        str(held["id"]),
        str(held["name"]),
        frozenset(Scope(scope) for scope in scopes),
        digest,
        int(str(held["created_at"])),
        None if expires_at is None else int(str(expires_at)),
    )
