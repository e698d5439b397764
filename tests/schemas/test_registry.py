import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from schemas.registry import SchemaRegistry, UnknownSchemaError

pytestmark = pytest.mark.stack


def record(*fields: dict[str, Any]) -> dict[str, Any]:
    return {"type": "record", "name": "thing", "fields": list(fields)}


@pytest.fixture
def registry(stack: Any) -> SchemaRegistry:
    return SchemaRegistry(stack.settings.registry_url)


def test_a_schema_keeps_its_id(registry: SchemaRegistry, stack: Any) -> None:
    schema = record({"name": f"f{uuid.uuid4().hex}", "type": "long"})
    schema_id = registry.register(f"{uuid.uuid4()}-value", schema)
    assert registry.register(f"odd/name {uuid.uuid4()}-value", schema) == schema_id
    assert SchemaRegistry(stack.settings.registry_url + "/").schema(schema_id) == schema


def test_an_unknown_id(registry: SchemaRegistry) -> None:
    with pytest.raises(UnknownSchemaError, match="2147483647 is not"):
        registry.schema(2**31 - 1)


@pytest.mark.parametrize("body", [b"<h1>nothing here</h1>", b"[]", b"{}", b'{"error_code": 404}'])
def test_a_404_of_another_server_is_an_outage(body: bytes) -> None:
    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(404)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            with pytest.raises(httpx.HTTPStatusError, match="404"):
                SchemaRegistry(f"http://127.0.0.1:{server.server_port}").schema(1)
        finally:
            server.shutdown()


def test_backward_compatibility(registry: SchemaRegistry) -> None:
    registry.set_compatibility("BACKWARD")
    subject = f"{uuid.uuid4()}-value"
    registry.register(subject, record({"name": "a", "type": "long"}))
    registry.register(
        subject, record({"name": "a", "type": "long"}, {"name": "b", "type": "long", "default": 0})
    )
    with pytest.raises(httpx.HTTPStatusError, match="409"):
        registry.register(subject, record({"name": "c", "type": "long"}))
