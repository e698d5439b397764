"""The documents tell the truth: links lead somewhere, commands exist, code runs, settings are all named."""

import re
from itertools import chain
from pathlib import Path

import pytest
import yaml

from augury.cli import Commands
from augury.settings import PREFIX, ROOT, Settings
from features import FeatureGroup
from features.compile import compile_group

DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
documents = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)


def blocks(document: Path, language: str) -> list[str]:
    """Give the fenced blocks of a language."""
    return [body for found, body in FENCE.findall(document.read_text()) if found == language]


def anchors(document: Path) -> set[str]:
    """Give the anchors that headings make, as code hosts spell them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", document.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(document: Path) -> set[str]:
    """Give the commands of `augury` that a document names, in shell blocks and inline."""
    text = document.read_text()
    code = chain(blocks(document, "sh"), re.findall(r"`([^`\n]+)`", FENCE.sub("", text)))
    return {word for part in code for word in re.findall(r"(?:^|[\s/])augury ([a-z]+)", f" {part}")}


@documents
def test_relative_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", document.read_text()))
    broken = []
    for link in links:
        if link.startswith(("https://", "http://")):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert not broken


@documents
def test_commands_exist(document: Path) -> None:
    known = Commands(name="augury").list_commands(None)
    assert commands(document) <= set(known)


def test_the_readme_names_the_commands_of_a_project() -> None:
    assert {"up", "plan", "apply", "serve", "backfill", "parity", "status", "down"} <= commands(DOCUMENTS[0])


@documents
def test_make_targets_exist(document: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = re.findall(r"\bmake ((?:[a-z-]+[ \n]?)+)`", document.read_text())
    named += re.findall(r"^make ([a-z-]+)", "\n".join(blocks(document, "sh")), re.MULTILINE)
    assert {word for line in named for word in line.split()} <= targets


@documents
def test_python_blocks_are_python(document: Path) -> None:
    for block in blocks(document, "python"):
        compile(block, document.name, "exec")


def test_the_worked_examples_are_right() -> None:
    examples = blocks(ROOT / "docs" / "semantics.md", "python")
    assert len(examples) == 4  # windows, the log's order, a lookup, decay
    for example in examples:
        exec(example, {})


def test_the_readme_has_a_definition_that_compiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    (block,) = [b for b in blocks(DOCUMENTS[0], "python") if "FeatureGroup(" in b]
    stated: dict[str, object] = {}
    exec(block, stated)
    (group,) = [value for value in stated.values() if isinstance(value, FeatureGroup)]
    names = [feature.name for feature in compile_group(group).features]
    assert names == ["arr_delay_mean_3h", "arr_delay_mean_7d", "late_share_1d", "momentum"]


def test_the_readme_is_short() -> None:
    assert len(DOCUMENTS[0].read_text().splitlines()) < 250


def test_operations_names_every_setting_with_its_default() -> None:
    rows = re.findall(
        rf"^\| `({PREFIX}\w+)` \| ([^|]*) \|", (ROOT / "docs" / "operations.md").read_text(), re.M
    )
    told = dict(rows)
    fields = Settings.model_fields
    assert set(told) == {PREFIX + name.upper() for name in fields}
    for name, field in fields.items():
        if isinstance(field.default, int) and not isinstance(field.default, bool):
            assert told[PREFIX + name.upper()].strip() == str(field.default), name


def test_every_variable_that_a_document_names_is_a_setting() -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    for document in DOCUMENTS:
        named = set(re.findall(rf"\b{PREFIX}[A-Z_]*[A-Z]\b", document.read_text()))
        assert named <= known, document.name


def test_the_readme_has_the_ports_of_the_settings() -> None:
    rows = re.findall(r"(\d{5}), `(AUGURY_\w+_PORT)`", DOCUMENTS[0].read_text())
    assert len(rows) == 7
    for port, variable in rows:
        assert Settings.model_fields[variable.removeprefix(PREFIX).lower()].default == int(port)


def test_operations_names_every_service() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    own = [name for name, service in services.items() if service["image"].startswith("augury:")]
    assert all(f"`{name}`" in text for name in own)
