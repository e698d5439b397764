import pytest

from tests.golden.rewrite import FOLDER, texts

TEXTS = texts()


@pytest.mark.parametrize("name", TEXTS)
def test_compiles_to_the_golden_text(name: str) -> None:
    golden = (FOLDER / name).read_text(encoding="utf-8")
    assert TEXTS[name] == golden, "if the change is meant: python -m tests.golden.rewrite"


def test_no_golden_file_is_left_over() -> None:
    kept = {path.name for path in FOLDER.iterdir() if path.suffix in (".json", ".sql", ".avsc")}
    assert kept == TEXTS.keys() | {"landed.avsc"}
