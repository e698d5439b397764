import pytest

from warehouse.door.errors import DoorError
from warehouse.door.statement import external_table, format_name, parse


@pytest.mark.parametrize(
    ("sql", "kind", "form", "text"),
    [
        (b"SELECT 1", "read", None, b"SELECT 1"),
        (b"SELECT 1 FORMAT Native", "read", "Native", b"SELECT 1 "),
        (b"SELECT 1\nformat JSON;\n", "read", "JSON", b"SELECT 1\n"),
        (b"-- FORMAT CSV\n(SELECT 'x FORMAT CSV')", "read", None, b"-- FORMAT CSV\n(SELECT 'x FORMAT CSV')"),
        (b"SELECT format FROM t", "read", None, b"SELECT format FROM t"),
        (b"SELECT 1 -- the end", "read", None, b"SELECT 1 -- the end"),
        (b"SHOW TABLES FORMAT CSV", "command", "CSV", b"SHOW TABLES "),
        (b"INSERT INTO t SELECT 1", "command", None, b"INSERT INTO t SELECT 1"),
        (b"INSERT INTO t (a) FORMAT Native", "insert", "Native", b"INSERT INTO t (a) "),
        (b"INSERT INTO t VALUES (1)", "insert", "Values", b"INSERT INTO t "),
        (b"INSERT INTO t (a, b)", "insert", None, b"INSERT INTO t (a, b)"),
    ],
)
def test_kind_and_format(sql: bytes, kind: str, form: str | None, text: bytes) -> None:
    statement = parse(sql)
    assert (statement.kind, statement.format, statement.text) == (kind, form, text)


def test_settings_after_format_are_kept() -> None:
    assert parse(b"SELECT 1 FORMAT JSON SETTINGS max_threads = 1").tail == b" SETTINGS max_threads = 1"


def test_data_begins_after_one_line_break() -> None:
    sql = b"INSERT INTO t FORMAT RowBinary\n\n\x00'unclosed; INTO OUTFILE"
    assert sql[parse(sql).data :] == b"\n\x00'unclosed; INTO OUTFILE"


@pytest.mark.parametrize("sql", [b"SELECT 1; SELECT 2", b"", b" -- nothing", b";"])
def test_what_is_not_one_statement(sql: bytes) -> None:
    with pytest.raises(DoorError) as refused:
        parse(sql)
    assert refused.value.code == 62


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 INTO OUTFILE '/x'",
        "SELECT 1 INTO /* */ outfile '/x'",
        "SELECT ‘ ' ’ INTO OUTFILE '/x'",
        "SELECT 1 — ' \n INTO OUTFILE '/x'",
        "SELECT 1 AS a$x$ INTO OUTFILE '/x' --$x$",
        "SELECT 1 AS $a$x$ INTO OUTFILE '/x' --$x$",
        "INSERT INTO t FROM INFILE '/x' FORMAT CSV",
        "SELECT file('/etc/passwd')",
        "SELECT `file`('/etc/passwd')",
        "INSERT INTO t SELECT file('/etc/passwd')",
        "INSERT INTO FUNCTION file('/x', CSV, 'a Int8') VALUES (1)",
        "SELECT * FROM executable('id', TSV, 'a String')",
        "SELECT * FROM Python(x)",
        "CREATE TABLE t (a Int8) ENGINE = File(CSV, '/x')",
        "CREATE TABLE t (a Int8) ENGINE `URL`('http://x', CSV)",
        "CREATE DATABASE d ENGINE = SQLite('/x')",
        "CREATE DICTIONARY d (a UInt64) PRIMARY KEY a SOURCE(EXECUTABLE(COMMAND 'id')) LAYOUT(FLAT())",
        "ATTACH TABLE t FROM '/x' (a Int8) ENGINE = Memory",
        "BACKUP TABLE t TO Disk('a', 'b')",
    ],
)
def test_what_touches_the_server_is_closed(sql: str) -> None:
    with pytest.raises(DoorError) as refused:
        parse(sql.encode())
    assert refused.value.code == 497


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 'SELECT 1 INTO OUTFILE x', \"file\" FROM file WHERE engine = 'File'",
        "CREATE TABLE file (a Int8) ENGINE = ReplacingMergeTree ORDER BY a",
        "CREATE TABLE engine.x (a Int8) ENGINE MergeTree() ORDER BY a",
        "INSERT INTO file (a) VALUES (1)",
        "CREATE DICTIONARY d (a UInt64) PRIMARY KEY a SOURCE(CLICKHOUSE(TABLE 't')) LAYOUT(FLAT())",
        "SELECT '“' || 'ü', 1 /* ü */",
    ],
)
def test_what_only_looks_like_it_is_open(sql: str) -> None:
    parse(sql.encode())


@pytest.mark.parametrize("name", ["JSON", "TSVWithNames", "One", "a1"])
def test_a_format_is_a_name(name: str) -> None:
    assert format_name(name) == name


@pytest.mark.parametrize(
    "name", ["JSON; DROP TABLE x", "JSON\n", "", "1", "TSV SETTINGS a = 1", "JSÖN", "a_b"]
)
def test_a_format_that_is_more_than_a_name(name: str) -> None:
    with pytest.raises(DoorError, match="UNKNOWN_FORMAT") as refused:
        format_name(name)
    assert refused.value.code == 73


@pytest.mark.parametrize(
    "structure",
    [
        "a UInt8, b Array(Nullable(Decimal(10, 2)))",
        "`a ) b` Enum8('(' = 1, ';' = -1) DEFAULT '(', c DateTime64(3, 'UTC') -- the end",
        "a Array(UInt8) DEFAULT [1, (2)] /* ) */",
    ],
)
def test_the_structure_of_an_external_table(structure: str) -> None:
    assert external_table("sent_1", structure).endswith(f"sent_1 ({structure}\n)")


@pytest.mark.parametrize(
    ("structure", "code"),
    [
        ("a UInt8) AS SELECT (1", 62),
        ("a UInt8) AS SELECT 1 --", 62),
        ("a UInt8) AS SELECT 1 /*", 62),
        ("a UInt8) ENGINE = Memory, (b UInt8", 62),
        ("a UInt8); DROP TABLE t; SELECT (1", 62),
        ("a [ UInt8) AS SELECT (1]", 62),
        ("a UInt8;", 62),
        ("a Array(UInt8", 62),
        ("a 'UInt8", 62),
        ("a Int8) — ' (b", 62),
        ("a$x$ UInt8) AS SELECT 1 AS b --$x$", 62),
        ("a String DEFAULT file('/etc/passwd')", 497),
        ("a Int8) ENGINE = File(CSV, '/x'", 497),
    ],
)
def test_a_structure_that_leaves_its_brackets(structure: str, code: int) -> None:
    with pytest.raises(DoorError) as refused:
        external_table("sent", structure)
    assert refused.value.code == code


@pytest.mark.parametrize("name", ["a b", "a; DROP TABLE t", "1a", "", "d.a", "a\n", "`a`"])
def test_an_external_table_that_has_no_name(name: str) -> None:
    with pytest.raises(DoorError, match="BAD_ARGUMENTS"):
        external_table(name, "a UInt8")
