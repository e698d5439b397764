from typing import Any

import httpx
import pytest

from tests.warehouse.door.running import Running
from warehouse.door.errors import DoorError
from warehouse.door.request import read


async def _nothing() -> dict[str, Any]:
    return {"type": "http.disconnect"}


def _scope(line: bytes) -> dict[str, Any]:
    return {"method": "GET", "path": "/", "headers": [], "query_string": line}


@pytest.mark.parametrize(
    "line", ["query=SELECT+'Zürich+→'&param_s=é", "query=SELECT+'Z%C3%BCrich+→'&param_s=%C3%A9"]
)
def test_utf8_survives_raw_and_escaped(line: str) -> None:
    request = read(_scope(line.encode()), _nothing)
    assert request.query == "SELECT 'Zürich →'".encode()
    assert request.parameters == {"s": "é"}


@pytest.mark.parametrize("line", [b"query=SELECT+'\xff\xc3%A9'", b"query=SELECT+'%FF%C3\xa9'"])
def test_other_bytes_of_a_query_survive(line: bytes) -> None:
    assert read(_scope(line), _nothing).query == b"SELECT '\xff\xc3\xa9'"


@pytest.mark.parametrize("line", [b"param_s=\xff", b"param_\xff=1", b"password=%FF", b"database=%FF"])
def test_other_bytes_of_a_parameter_are_refused(line: bytes) -> None:
    with pytest.raises(DoorError, match="Parameters are UTF-8"):
        read(_scope(line), _nothing)


@pytest.mark.parametrize("form", ["TSV", "TSVWithNames"])
def test_the_engine_gets_the_bytes_of_the_line(door: Running, form: str) -> None:
    line = f"?query=SELECT+hex('Z%C3%BC%FF'),{{s:String}}&param_s=%E2%86%92&default_format={form}"
    answer = httpx.get(httpx.URL(door.url + line))
    assert answer.text.splitlines()[-1] == "5AC3BCFF\t→"
