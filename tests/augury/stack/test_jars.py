from pathlib import Path

import pytest

from augury.settings import Settings
from augury.stack.jars import fetch, fetched, flink_jars
from augury.stack.part import PartError


def test_a_machine_without_maven_is_told_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    settings = Settings(home=tmp_path, jars=tmp_path / "jars")
    assert not fetched(settings)
    with pytest.raises(PartError, match="no mvn"):
        fetch(settings)


def test_a_missing_jar_names_itself_and_the_way_to_get_it(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, jars=tmp_path / "jars")
    with pytest.raises(PartError, match=r"flink-sql-connector-kafka.*make jars operator"):
        flink_jars(settings)


def test_flink_jars_are_connector_format_and_operator(tmp_path: Path) -> None:
    folder = tmp_path / "flink"
    folder.mkdir()
    names = ["flink-sql-connector-kafka-5.jar", "flink-sql-avro-confluent-registry-2.jar", "operator.jar"]
    for name in names:
        (folder / name).touch()
    settings = Settings(home=tmp_path, jars=tmp_path, operator_jar=folder / "operator.jar")
    assert [jar.name for jar in flink_jars(settings)] == names
