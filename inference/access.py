"""Who may ask the HTTP door: bearer tokens with scopes."""

import logging
from collections.abc import Callable
from hmac import compare_digest
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple

from inference.tokens import ID_LENGTH, Scope, Token, TokenError, digest_of, read_tokens

_LOOK_MS = 1_000
_BEARER = b"bearer"
_NOBODY = bytes(32)  # no text has this hash
_LOG = logging.getLogger(__name__)


class Refusal(NamedTuple):
    """Why a request is not served, as a problem of RFC 9457 with the `WWW-Authenticate` of RFC 6750."""

    status: HTTPStatus
    kind: str
    detail: str
    challenge: str


_MISSING = Refusal(
    HTTPStatus.UNAUTHORIZED,
    "unauthorized",
    "this door is open to bearers of its tokens only; the request brings none, and nothing was done",
    'Bearer realm="augury"',
)
_UNKNOWN = Refusal(
    HTTPStatus.UNAUTHORIZED,
    "unauthorized",
    "this door is open to bearers of its tokens only; the token is unknown or was revoked, and nothing was "
    "done",
    'Bearer realm="augury", error="invalid_token"',
)
_EXPIRED = Refusal(
    HTTPStatus.UNAUTHORIZED,
    "unauthorized",
    "this door is open to bearers of its tokens only; the token has expired, and nothing was done",
    'Bearer realm="augury", error="invalid_token", error_description="expired"',
)
_SCOPES = {
    scope: Refusal(
        HTTPStatus.FORBIDDEN,
        "missing-scope",
        f"this asks for a token with the scope {scope.value}; the one given lacks it, and nothing was done",
        f'Bearer realm="augury", error="insufficient_scope", scope="{scope.value}"',
    )
    for scope in Scope
}


class Access:
    """Judges the `Authorization` header of requests.

    Tokens are those of `tokens_file`, which is looked at again at most once a second, and `token`, which
    has all scopes and never expires. With neither, everybody may ask. A file that is not there yet holds
    no token; one that cannot be read raises `OSError` or `TokenError` at the start, and later, as one that
    is gone, leaves the tokens before it in force. `clock` gives ms since the epoch.
    """

    def __init__(
        self, clock: Callable[[], int], token: str | None = None, tokens_file: Path | None = None
    ) -> None:
        self._clock = clock
        self._file = tokens_file
        self._tokens: dict[bytes, Token] = {}
        self._single: Token | None = None
        if token:
            self._single = Token("", "http_token", frozenset(Scope), digest_of(token.encode()), 0)
        self.open = not token and tokens_file is None
        self._looked_at = clock()
        self._seen = self._state()
        if tokens_file is not None:
            self._read(tokens_file)

    def check(self, authorization: bytes | None, scope: Scope) -> Refusal | None:
        """Give why a request with this header may not do what `scope` allows; None where it may.

        The token is found by its id, which is no secret; the rest is compared in constant time.
        """
        if self.open:
            return None
        now = self._clock()
        if not 0 <= now - self._looked_at < _LOOK_MS:
            self._look(now)
        kind, _, given = (authorization or b"").partition(b" ")
        given = given.strip()
        if kind.lower() != _BEARER or not given:
            return _MISSING
        token = self._tokens.get(given[:ID_LENGTH], self._single)
        if not compare_digest(digest_of(given), _NOBODY if token is None else token.digest) or token is None:
            return _UNKNOWN
        if token.expires_at is not None and now >= token.expires_at:
            return _EXPIRED
        return None if scope in token.scopes else _SCOPES[scope]

    def _look(self, now: int) -> None:
        self._looked_at = now
        found = self._state()
        if self._file is None or found == self._seen:
            return
        self._seen = found  # before it is read: a file that changes meanwhile is read again
        try:
            self._read(self._file)
        except (OSError, TokenError) as error:
            _LOG.error("the tokens read before stay in force: %s", error)

    def _read(self, file: Path) -> None:
        if self._seen is None:
            _LOG.warning("%s is not there; %d tokens of it are in force", file, len(self._tokens))
            return
        self._tokens = {token.id.encode(): token for token in read_tokens(file)}
        _LOG.info("%d tokens of %s are in force", len(self._tokens), file)

    def _state(self) -> tuple[int, int, int] | None:
        """Give what changes when the file does; None where there is none."""
        try:
            found = None if self._file is None else self._file.stat()
        except FileNotFoundError:
            return None
        return None if found is None else (found.st_mtime_ns, found.st_ino, found.st_size)
