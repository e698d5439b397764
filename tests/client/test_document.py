"""docs/client.md is run, block by block, as a reader would."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from augury.settings import ROOT
from tests.inference.served import Served
from tests.test_documents import blocks

from .doors import TOKEN

DOCUMENT = ROOT / "docs" / "client.md"

pytestmark = pytest.mark.stack


def here(block: str, served: Served) -> str:
    """Put the addresses of these doors in place of the documents'."""
    addresses = {
        "http://127.0.0.1:18000": str(served.client.base_url),
        "http://127.0.0.1:18081/apis/ccompat/v7": served.addresses.schema_registry,
        "127.0.0.1:19092": served.addresses.kafka,
    }
    for told, found in addresses.items():
        block = block.replace(told, found)
    assert not re.search(r":1[89]\d{3}\b", block)
    return block


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", TOKEN)


@pytest.mark.usefixtures("door", "worker")
def test_the_python_runs(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    held: dict[str, Any] = {"__name__": "document"}
    for block in blocks(DOCUMENT, "python"):
        exec(compile(here(block, served), DOCUMENT.name, "exec"), held)
    shown = capsys.readouterr().out
    assert "late_arrival 1" in shown
    assert "a request names every entity of its model" in shown
    assert "unknown-model (404)" in shown
    answer = held["answer"]
    assert answer.prediction == pytest.approx(sum(answer.feature_values_used.values()))


@pytest.mark.usefixtures("door")
def test_the_curl_runs(served: Served) -> None:
    (block,) = [block for block in blocks(DOCUMENT, "sh") if "curl" in block]
    shown = subprocess.run(["bash", "-c", here(block, served)], capture_output=True, text=True)
    assert shown.returncode == 0, shown
    assert '"model_version_used":1' in shown.stdout


@pytest.mark.usefixtures("door")
@pytest.mark.skipif(shutil.which("javac") is None, reason="there is no Java compiler here")
def test_the_java_runs(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = blocks(DOCUMENT, "java")
    (tmp_path / "Predict.java").write_text(here(block, served))

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(["java", str(tmp_path / "Predict.java")], capture_output=True, text=True)

    shown = run()
    assert shown.returncode == 0, shown
    assert '"model_version_used":1' in shown.stdout
    monkeypatch.setenv("TOKEN", "other")
    refused = run()
    assert refused.returncode == 1
    assert "urn:augury:unauthorized" in refused.stdout
