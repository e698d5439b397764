"""The embedded engine: its folder, its configuration, its connections."""

import fcntl
import os
import threading
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from chdb import _chdb

from warehouse.door.errors import DoorError, engine_errors

MEBIBYTE = 1 << 20
# Its stub leaves out what is used here.
ENGINE: Any = _chdb
CONFIG = """<clickhouse>
    <users_config>{folder}/users.xml</users_config>
    <default_database>_overlay</default_database>
    <user_files_path>{folder}/files/</user_files_path>
    <user_scripts_path>{folder}/files/</user_scripts_path>
    <custom_local_disks_base_directory>{folder}/files/</custom_local_disks_base_directory>
    <max_server_memory_usage>{memory}</max_server_memory_usage>
    <mark_cache_size>268435456</mark_cache_size>
    <uncompressed_cache_size>0</uncompressed_cache_size>
</clickhouse>
"""
USERS = """<clickhouse>
    <profiles><default>
        <max_threads>{threads}</max_threads>
        <session_timezone>UTC</session_timezone>
    </default></profiles>
    <quotas><default/></quotas>
    <users><default>
        <password/>
        <networks><ip>::/0</ip></networks>
        <profile>default</profile>
        <quota>default</quota>
        <grants>
            <query>GRANT ALL ON *.*</query>
            <query>REVOKE SOURCES, BACKUP, CLUSTER, SYSTEM SHUTDOWN, ACCESS MANAGEMENT,
                NAMED COLLECTION ADMIN ON *.*</query>
        </grants>
    </default></users>
</clickhouse>
"""


class TakenError(Exception):
    """The folder belongs to another process."""


class Connection:
    """One connection of the engine, with what the door has set on it for the request at hand.

    A request's settings and database hold for that request alone, also where a session keeps the
    connection: what a request overlays is put back before the next request that states it otherwise.
    """

    def __init__(self, raw: Any) -> None:  # noqa: ANN401 (chDB's connection has no public type)
        self.raw = raw
        self._overlaid: dict[str, str | None] = {}
        self._own: dict[str, str] = {}
        self._database = self._own_database = "default"

    def prepare(self, settings: Mapping[str, str], database: str | None) -> None:
        """Overlay `settings` and `database` for one request; DoorError for what the engine refuses."""
        wanted = database or self._own_database
        if wanted != self._database:
            self._run(f"USE {_name(wanted)}")
            self._database = wanted
        changes = {name: value for name, value in settings.items() if self._overlaid.get(name) != value}
        self._remember([name for name in changes if name not in self._own])
        back = {n: self._own[n] for n in self._overlaid if n not in settings and n in self._own}
        if changes or back:
            # Marked first: where SET fails half-way, the next request must put back or set anew all of them.
            self._overlaid.update(dict.fromkeys(changes))
            self._run(
                "SET " + ", ".join(f"{_setting(n)} = {_text(v)}" for n, v in {**back, **changes}.items())
            )
            self._overlaid = dict(settings)

    def restore(self) -> None:
        """Take all overlays back, so that SET and USE act on the session's own values."""
        self.prepare({}, None)
        self._own.clear()

    def adopt(self) -> None:
        """Take the current database as the session's own, after USE."""
        with engine_errors():
            found = self.raw.query("SELECT currentDatabase()", "TSVRaw").bytes()
        self._database = self._own_database = found.decode().rstrip("\n")

    def close(self) -> None:
        """Close the connection; its temporary tables and settings go with it."""
        self.raw.close()

    def _remember(self, names: list[str]) -> None:
        unknown = [name for name in names if not name.startswith("param_")]
        if not unknown:
            return
        listed = ", ".join(_text(name) for name in unknown)
        with engine_errors():
            found = self.raw.query(
                f"SELECT name, value FROM system.settings WHERE name IN ({listed})", "TSVRaw"
            ).bytes()
        for line in found.decode().splitlines():
            name, _, value = line.partition("\t")
            self._own[name] = value

    def _run(self, sql: str) -> None:
        with engine_errors():
            self.raw.query(sql, "Null")


class Engine:
    """The engine on one folder, which it owns alone.

    `memory` bounds all queries together, in bytes; `threads` one query. Raises TakenError where another
    process has the folder.
    """

    def __init__(self, path: Path, memory: int, threads: int) -> None:
        self.path = path.absolute()
        folder = self.path / "door"
        (folder / "files").mkdir(parents=True, exist_ok=True)
        self._lock = self._take(folder / "lock")
        shown = escape(str(folder))
        (folder / "config.xml").write_text(CONFIG.format(folder=shown, memory=memory))
        (folder / "users.xml").write_text(USERS.format(threads=threads))
        self._settle_default()
        self._address = f"{self.path}?config-file={folder}/config.xml"
        try:
            self._keep = ENGINE.connect(self._address)
        except RuntimeError as error:
            raise TakenError(f"the engine does not open {self.path}: {error}") from error
        ENGINE.set_signal_handlers_enabled(False)
        self._killing = threading.Lock()
        self.version, self.timezone = (
            self._keep.query("SELECT version(), timezone()", "TSVRaw")
            .bytes()
            .decode()
            .rstrip("\n")
            .split("\t")
        )

    def connect(self) -> Connection:
        """Return a connection of its own, about 0.2 ms."""
        with engine_errors():
            return Connection(ENGINE.connect(self._address))

    def kill(self, mark: str | None = None) -> None:
        """Cancel the queries whose log_comment is `mark`, or all; returns at once."""
        which = "1" if mark is None else f"Settings['log_comment'] = {_text(mark)}"
        with self._killing:
            try:
                with engine_errors():
                    self._keep.query(f"KILL QUERY WHERE query NOT ILIKE 'KILL%' AND {which} ASYNC", "Null")
            except DoorError:
                # A query that ended by itself meanwhile is what was wanted.
                return

    def close(self) -> None:
        """Close the engine and give the folder free."""
        self._keep.close()
        os.close(self._lock)

    def _settle_default(self) -> None:
        """Make `default` a database like any other.

        Left alone, the embedded engine lays `default` over the server's own files, so that a table's name may
        be a path. It gives its overlay another name when told to, but also the database that the link
        `metadata/default` points to, and then meets each table twice; so the link goes, and the engine sets
        it anew once the overlay stands.
        """
        metadata = self.path / "metadata"
        metadata.mkdir(exist_ok=True)
        link = metadata / "default"
        if not (metadata / "default.sql").exists():
            # What a bare chDB wrote here before keeps its tables.
            known = link.readlink().name if link.is_symlink() else str(uuid.uuid4())
            (metadata / "default.sql").write_text(f"ATTACH DATABASE _ UUID '{known}'\nENGINE = Atomic\n")
        if link.is_symlink():
            link.unlink()

    def _take(self, lock: Path) -> int:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(handle, 20).decode().strip() or "unknown"
            os.close(handle)
            raise TakenError(
                f"one process owns a warehouse folder; {self.path} is held by process {holder}"
            ) from error
        os.truncate(handle, 0)
        os.write(handle, str(os.getpid()).encode())
        return handle


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _name(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"


def _setting(name: str) -> str:
    if not name.replace("_", "").replace(".", "").isalnum() or not name.isascii():
        raise DoorError(115, f"Code: 115. DB::Exception: Unknown setting {name!r}. (UNKNOWN_SETTING)")
    return name
