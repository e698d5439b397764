"""The HTTP door as a service of its own, by settings alone."""

import ssl
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest

from augury.models import registry
from augury.settings import ROOT, child_environment, free_ports
from augury.stack import Stack
from tests.inference.processes import prepare
from tests.tls import certificate, fronted

SECRET = "s3cret"

pytestmark = pytest.mark.stack


def test_tls_for_those_with_a_certificate_and_no_secret_in_sight(stack: Stack, tmp_path: Path) -> None:
    prepare(stack.settings, tmp_path)
    own, visitor = certificate(tmp_path, "door"), certificate(tmp_path, "visitor")
    with fronted(stack.settings.redis_port, own) as redis_port:
        settings = type(stack.settings)(
            **stack.settings.model_dump()
            | {
                "home": tmp_path / "home",
                "http_port": free_ports(1)[0],
                "http_token": SECRET,
                "http_tls_cert": own.cert,
                "http_tls_key": own.key,
                "http_tls_client_ca": visitor.cert,
                "redis_url": f"rediss://:{SECRET}@127.0.0.1:{redis_port}/0",
                "redis_ca_file": own.cert,
                "warehouse_password": SECRET,
                "registry_database_url": f"sqlite:///{tmp_path}/registry.db",
            }
        )
        registry(settings).close()  # the door does not make its tables
        log = tmp_path / "door.log"
        with log.open("wb") as output:
            door = subprocess.Popen(
                [sys.executable, "-m", "augury", "service", "http", "examples.flights"],
                cwd=ROOT,
                env=child_environment(**settings.environment()),
                stdout=output,
                stderr=output,
            )
        try:
            known, unknown = (ssl.create_default_context(cafile=str(own.cert)) for _ in range(2))
            known.load_cert_chain(*visitor)
            url = f"https://127.0.0.1:{settings.http_port}"
            with httpx.Client(base_url=url, verify=known) as client:
                deadline = time.monotonic() + 60
                while True:
                    try:
                        client.get("/healthz")
                        break
                    except httpx.TransportError:
                        assert door.poll() is None, log.read_text()
                        assert time.monotonic() < deadline
                assert client.get("/readyz").json() == {"status": "ready"}  # Redis, by TLS
                closed = client.get("/v1/models")
                assert closed.status_code == 401
                assert (closed.headers["cache-control"], closed.headers["x-content-type-options"]) == (
                    "no-store",
                    "nosniff",
                )
                assert "server" not in closed.headers
                opened = client.get("/v1/models", headers={"authorization": f"Bearer {SECRET}"})
                assert opened.json() == {"models": []}
            with httpx.Client(base_url=url, verify=unknown) as client, pytest.raises(httpx.TransportError):
                client.get("/healthz")
            with pytest.raises(httpx.TransportError):
                httpx.get(url.replace("https", "http") + "/healthz")
            process = psutil.Process(door.pid)
            assert SECRET not in " ".join(process.cmdline())
        finally:
            door.terminate()
            door.wait(30)
    assert SECRET not in log.read_text()
