"""Errors of the door: ClickHouse's codes, names and HTTP statuses."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

CODE = re.compile(r"Code: (\d+)\. ")

STATUSES = {
    36: 400,  # BAD_ARGUMENTS
    6: 400,  # CANNOT_PARSE_TEXT
    25: 400,  # CANNOT_PARSE_ESCAPE_SEQUENCE
    26: 400,  # CANNOT_PARSE_QUOTED_STRING
    27: 400,  # CANNOT_PARSE_INPUT_ASSERTION_FAILED
    38: 400,  # CANNOT_PARSE_DATE
    41: 400,  # CANNOT_PARSE_DATETIME
    53: 400,  # TYPE_MISMATCH
    62: 400,  # SYNTAX_ERROR
    72: 400,  # CANNOT_PARSE_NUMBER
    117: 400,  # INCORRECT_DATA
    167: 400,  # TOO_DEEP_AST
    168: 400,  # TOO_BIG_AST
    456: 400,  # UNKNOWN_QUERY_PARAMETER
    457: 400,  # BAD_QUERY_PARAMETER
    194: 401,  # REQUIRED_PASSWORD
    164: 403,  # READONLY
    497: 403,  # ACCESS_DENIED
    516: 403,  # AUTHENTICATION_FAILED
    46: 404,  # UNKNOWN_FUNCTION
    47: 404,  # UNKNOWN_IDENTIFIER
    50: 404,  # UNKNOWN_TYPE
    56: 404,  # UNKNOWN_STORAGE
    60: 404,  # UNKNOWN_TABLE
    63: 404,  # UNKNOWN_AGGREGATE_FUNCTION
    73: 404,  # UNKNOWN_FORMAT
    81: 404,  # UNKNOWN_DATABASE
    115: 404,  # UNKNOWN_SETTING
    372: 404,  # SESSION_NOT_FOUND
    159: 408,  # TIMEOUT_EXCEEDED
    373: 423,  # SESSION_IS_LOCKED
    48: 501,  # NOT_IMPLEMENTED
    241: 507,  # MEMORY_LIMIT_EXCEEDED
}


class DoorError(Exception):
    """What a client is told: `code` is ClickHouse's error code, `text` the body of the answer."""

    def __init__(self, code: int, text: str) -> None:
        self.code = code
        self.text = text
        super().__init__(text)

    @property
    def status(self) -> int:
        """The HTTP status that ClickHouse gives to this code."""
        return STATUSES.get(self.code, 500)


class ClientGoneError(Exception):
    """The client closed the connection before its request was answered."""


def refusal(code: int, name: str, text: str) -> DoorError:
    """Return an error of the door itself, in the engine's form: `Code: N. DB::Exception: text. (NAME)`."""
    return DoorError(code, f"Code: {code}. DB::Exception: {text}. ({name})")


@contextmanager
def engine_errors() -> Iterator[None]:
    """Turn what chDB raises into a DoorError that carries the engine's code and text."""
    try:
        yield
    except RuntimeError as error:
        text = str(error)
        found = CODE.search(text)
        if found is None:
            raise DoorError(1002, f"Code: 1002. DB::Exception: {text}. (UNKNOWN_EXCEPTION)") from error
        raise DoorError(int(found[1]), text) from error
