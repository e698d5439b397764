from pathlib import Path

import fastavro
import pytest

from schemas import records


def test_every_topic_has_a_schema_and_every_schema_a_topic() -> None:
    files = Path(records.__file__).parent.joinpath("avsc").glob("*.avsc")
    assert {file.stem for file in files} == set(records.TOPICS.values())


@pytest.mark.parametrize("name", sorted(set(records.TOPICS.values())))
def test_schema_is_avro_in_the_namespace(name: str) -> None:
    schema = records.load(name)
    assert (schema["name"], schema["namespace"], schema["type"]) == (name, "augury", "record")
    fastavro.parse_schema(schema)


def test_unknown_record() -> None:
    with pytest.raises(FileNotFoundError):
        records.load("nothing")
