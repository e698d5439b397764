from pathlib import Path

import pytest

from inference.artifacts import ArtifactMismatchError, ArtifactStore


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_file_comes_back_by_its_hash(tmp_path: Path, scheme: str) -> None:
    store = ArtifactStore(f"{scheme}{tmp_path}")
    uri, sha256 = store.put("late", b"model")
    assert store.put("late", b"model") == (uri, sha256)
    assert uri == f"file://{tmp_path}/late/{sha256}"
    assert store.get(uri, sha256) == b"model"
    assert [path.name for path in tmp_path.glob("*/*")] == [sha256]


def test_another_content_is_refused(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path))
    uri, sha256 = store.put("late", b"model")
    Path(uri.removeprefix("file://")).write_bytes(b"tampered")
    with pytest.raises(ArtifactMismatchError, match=f"the registered one \\({sha256}\\)"):
        store.get(uri, sha256)
