"""What the door must know of a statement before the engine sees it: its kind, its format, its data."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from warehouse.door.errors import DoorError, refusal

TOKEN = re.compile(
    rb"""
    (?P<space>\s+|--[^\n]*|\#[ !][^\n]*|/\*.*?\*/)
  | (?P<text>'(?:[^'\\]|\\.|'')*'|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$|\xe2\x80\x98.*?\xe2\x80\x99)
  | (?P<name>"(?:[^"\\]|\\.|"")*"|`(?:[^`\\]|\\.|``)*`|\xe2\x80\x9c.*?\xe2\x80\x9d)
  | (?P<word>[A-Za-z_$][\w$]*)
  | (?P<number>[0-9][\w.]*)
  | (?P<open>[(\[{])
  | (?P<close>[)\]}])
  | (?P<end>;)
  | (?P<other>.)
    """,
    re.DOTALL | re.VERBOSE,
)
OUTFILE = re.compile(rb"\b(outfile|infile)\b", re.IGNORECASE)

READS = {"SELECT", "WITH", "FROM", "("}
FUNCTIONS = {"FILE", "PYTHON", "EXECUTABLE", "EXECUTABLEPOOL"}
SOURCES = {"CLICKHOUSE", "NULL"}
FORMAT = re.compile(r"[A-Za-z][A-Za-z0-9]*")
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
BRACKETS = {")": "(", "]": "[", "}": "{"}
# What may stand between the words of a table's structure, besides brackets.
MARKS = set(",.=+-*/%<>!?:|")
ENGINES = re.compile(
    r"\w*MERGETREE|MEMORY|LOG|TINYLOG|STRIPELOG|NULL|SET|JOIN|BUFFER|VIEW|MATERIALIZEDVIEW|MERGE|ALIAS"
    r"|DICTIONARY|GENERATERANDOM|ATOMIC"
)


@dataclass(frozen=True)
class Statement:
    """One statement.

    `kind` is "read" (rows come back), "insert" (data follows), or "command"; `text` is the SQL without
    FORMAT; `format` is the FORMAT stated, if any; `tail` what follows it (SETTINGS); `data` is where an
    insert's data begins in what was parsed.
    """

    kind: str
    text: bytes
    format: str | None
    tail: bytes = b""
    data: int = 0
    verb: str = ""


@dataclass(frozen=True)
class _Token:
    kind: str
    value: str  # a word in capitals; a quoted name without its quotes, in capitals; else as it stands
    start: int
    end: int
    depth: int


def parse(sql: bytes) -> Statement:
    """Read a statement, or the head of an insert and its data.

    Raises DoorError for more than one statement, and for what reads or writes the server's own files or
    runs programs on it.
    """
    tokens: list[_Token] = []
    selects = False
    for token in _tokens(sql):
        tokens.append(token)
        selects = selects or (token.kind == "word" and token.value == "SELECT")
        if tokens[0].value == "INSERT" and token.depth == 0 and token.kind == "word" and not selects:
            if len(tokens) > 3 and tokens[-2].value == "FORMAT":
                _restrict(sql[: token.end], tokens)
                start = tokens[-2].start
                name = sql[token.start : token.end].decode()
                return Statement("insert", sql[:start], name, data=_data(sql, token.end), verb="INSERT")
            if token.value == "VALUES" and len(tokens) > 3:
                _restrict(sql[: token.end], tokens)
                return Statement("insert", sql[: token.start], "Values", data=token.end, verb="INSERT")
    if not tokens:
        raise refusal(62, "SYNTAX_ERROR", "Empty query")
    end = next((i for i, token in enumerate(tokens) if token.kind == "end"), len(tokens))
    if any(token.kind != "end" for token in tokens[end:]):
        raise refusal(62, "SYNTAX_ERROR", "Multi-statements are not allowed")
    sql = sql[: tokens[end].start] if end < len(tokens) else sql
    tokens = tokens[:end]
    if not tokens:
        raise refusal(62, "SYNTAX_ERROR", "Empty query")
    _restrict(sql, tokens)
    verb = tokens[0].value
    if verb == "INSERT":
        if selects:
            return Statement("command", sql, None, verb=verb)
        return Statement("insert", sql, None, data=len(sql), verb=verb)
    kind = "read" if verb in READS else "command"
    for i in range(len(tokens) - 2, 0, -1):
        here, after = tokens[i], tokens[i + 1 :]
        if here.value == "FORMAT" and here.kind == "word" and here.depth == 0 and after[0].kind == "word":
            if tokens[i - 1].value in ("SELECT", ",", ".") or (
                len(after) > 1 and after[1].value != "SETTINGS"
            ):
                break
            name = sql[after[0].start : after[0].end].decode()
            return Statement(kind, sql[: here.start], name, tail=sql[after[0].end :], verb=verb)
    return Statement(kind, sql, None, verb=verb)


def format_name(name: str) -> str:
    """Return `name`, which is put after FORMAT as it stands; DoorError where it is more than a name."""
    if not FORMAT.fullmatch(name):
        raise refusal(
            73,
            "UNKNOWN_FORMAT",
            f"A format is a name of letters and digits; {name!r} is none, so nothing runs",
        )
    return name


def external_table(name: str, structure: str) -> str:
    """Return the statement that creates a client's external table.

    Raises DoorError where `name` is no identifier, where `structure` does not stay within its brackets, and
    for all that `parse` refuses.
    """
    if not IDENTIFIER.fullmatch(name):
        raise refusal(
            36,
            "BAD_ARGUMENTS",
            f"An external table's name is an identifier; {name!r} is none, so nothing runs",
        )
    # The line break ends a comment that may stand last.
    sql = f"CREATE OR REPLACE TEMPORARY TABLE {name} ({structure}\n)"
    wire = sql.encode("utf-8", "surrogateescape")
    parse(wire)
    tokens = list(_tokens(wire))
    stack: list[str] = []
    for i, token in enumerate(tokens):
        if token.kind == "open":
            stack.append(token.value)
        elif token.kind == "close":
            closes = bool(stack) and stack.pop() == BRACKETS[token.value]
            if not closes or (not stack and i < len(tokens) - 1):
                raise _unbalanced(name, structure)
        elif token.kind == "end" or (token.kind == "other" and token.value not in MARKS):
            raise _unbalanced(name, structure)
    if stack or tokens[-1].kind != "close":
        raise _unbalanced(name, structure)
    return sql


def _unbalanced(name: str, structure: str) -> DoorError:
    return refusal(
        62,
        "SYNTAX_ERROR",
        f"The structure of the external table {name} must be columns with balanced brackets; "
        f"{structure!r} is not, so nothing runs",
    )


def _tokens(sql: bytes) -> Iterator[_Token]:
    depth = 0
    for found in TOKEN.finditer(sql):
        kind = found.lastgroup or "other"
        if kind == "space":
            continue
        if kind == "tag":
            kind = "text"
        if kind == "close":
            depth -= 1
        value = found[0].decode("utf-8", "replace")
        if kind == "word":
            value = value.upper()
        elif kind == "name":
            value = value[1:-1].upper()
        yield _Token(kind, value, found.start(), found.end(), depth)
        if kind == "open":
            depth += 1


def _data(sql: bytes, at: int) -> int:
    """Return where an insert's data begins: after the spaces and the one newline that follow FORMAT."""
    found = re.compile(rb"[ \t\f]*;?[ \t\f]*\r?\n?").match(sql, at)
    return found.end() if found else at


def _restrict(sql: bytes, tokens: list[_Token]) -> None:
    """Refuse what would act on the server's machine as the door's own user.

    The engine's grants close table functions such as url() and s3(); this closes what its embedded form
    leaves open.
    """
    # Outside quotes and comments the dialect is ASCII; elsewhere this reading may differ from the engine's.
    doubtful = any(token.kind == "other" and ord(token.value[0]) > 127 for token in tokens)
    if doubtful and OUTFILE.search(sql):
        raise _closed("INTO OUTFILE and FROM INFILE")
    verb = tokens[0].value
    if verb in ("BACKUP", "RESTORE"):
        raise _closed(verb)
    for i, token in enumerate(tokens):
        if token.kind not in ("word", "name"):
            continue
        following = tokens[i + 1] if i + 1 < len(tokens) else None
        if following is None:
            break
        if token.kind == "word" and (token.value, following.value) in (
            ("INTO", "OUTFILE"),
            ("FROM", "INFILE"),
        ):
            raise _closed(f"{token.value} {following.value}")
        named = i > 0 and tokens[i - 1].value in ("INTO", "TABLE", "EXISTS", ".")
        if token.value in FUNCTIONS and following.value == "(" and not named:
            raise _closed(f"{token.value.lower()}()")
        if token.value == "SOURCE" and following.value == "(" and i + 2 < len(tokens):
            source = tokens[i + 2].value
            if verb in ("CREATE", "REPLACE", "ATTACH") and source not in SOURCES:
                raise _closed(f"A dictionary of SOURCE({source})")
        if verb in ("CREATE", "REPLACE", "ATTACH"):
            if verb == "ATTACH" and token.value == "FROM" and following.kind == "text":
                raise _closed("ATTACH FROM a path")
            if token.value == "ENGINE" and token.kind == "word" and token.depth == 0:
                engine = tokens[i + 2] if following.value == "=" and i + 2 < len(tokens) else following
                if engine.kind in ("word", "name") and not ENGINES.fullmatch(engine.value):
                    raise _closed(f"ENGINE = {engine.value}")


def _closed(what: str) -> DoorError:
    return refusal(
        497,
        "ACCESS_DENIED",
        f"{what} acts on the server's own files or programs, so it is closed to clients of this server",
    )
