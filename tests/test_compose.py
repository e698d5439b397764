"""The compose file agrees with the code: parts, versions, settings, services and ports."""

import pkgutil
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import chdb
import pytest
import yaml

from augury import services as own_services
from augury.settings import PREFIX, ROOT, Settings

FILE = ROOT / "docker-compose.yml"
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
SERVERS = {"kafka", "postgres", "registry", "redis", "clickhouse", "flink-jobmanager", "flink-taskmanager"}
WATCHERS = {"prometheus", "grafana"}
OWN = {name for name, service in SERVICES.items() if service["image"].startswith("augury:")}


def locked(package: str) -> str:
    """Give the version of a package in the lock."""
    packages = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    return next(p["version"] for p in packages if p["name"] == package)


def pinned(name: str) -> str:
    """Give a version that the embedded stack's pom pins."""
    pom = ElementTree.parse(ROOT / "augury" / "stack" / "pom.xml")
    found = pom.findtext(f".//{{*}}{name}")
    assert found is not None
    return found


def test_every_part_is_there() -> None:
    modules = {module.name for module in pkgutil.iter_modules(own_services.__path__)}
    assert set(SERVICES) == SERVERS | WATCHERS | {"prefect", "apply"} | modules
    assert {"apply"} | modules == OWN


def test_images_have_the_versions_that_the_code_pins() -> None:
    images = {name: service["image"] for name, service in SERVICES.items()}
    assert images["kafka"] == f"apache/kafka:{pinned('kafka.version')}"
    assert images["registry"] == f"apicurio/apicurio-registry:{pinned('apicurio.version')}"
    assert images["prefect"].startswith(f"prefecthq/prefect:{locked('prefect')}-")
    assert (
        images["flink-jobmanager"] == images["flink-taskmanager"] == f"augury-flink:{pinned('flink.version')}"
    )
    engine = ".".join(chdb.engine_version.split(".")[:2])
    assert images["clickhouse"] == f"clickhouse/clickhouse-server:{engine}"
    own = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert {images[name] for name in OWN} == {f"augury:{own}"}


def test_the_flink_that_is_built_is_the_one_that_submits() -> None:
    versions = {pinned("flink.version"), locked("apache-flink")}
    versions |= {
        SERVICES[f"flink-{part}manager"]["build"]["args"]["FLINK_VERSION"] for part in ("job", "task")
    }
    versions |= set(re.findall(r"^ARG FLINK_VERSION=(\S+)$", DOCKERFILE, re.MULTILINE))
    assert len(versions) == 1


def test_the_images_are_built_as_the_checkout_is() -> None:
    uv = re.search(r"^UV_VERSION := (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert uv is not None
    assert f"uv=={uv[1]}" in DOCKERFILE
    python = (ROOT / ".python-version").read_text().strip()
    assert set(re.findall(r"^FROM python:([\d.]+)", DOCKERFILE, re.MULTILINE)) == {python}
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]
    for folder in packages["build"]["targets"]["wheel"]["packages"]:
        assert f"COPY {folder} {folder}\n" in DOCKERFILE
        assert f"!{folder}\n" in (ROOT / "deploy" / "Dockerfile.dockerignore").read_text()
    stages = set(re.findall(r" AS (\w+)$", DOCKERFILE, re.MULTILINE))
    assert {s["build"]["target"] for s in SERVICES.values() if "build" in s} <= stages


def test_settings_exist() -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    for name in OWN:
        assert set(SERVICES[name]["environment"]) <= known, name
    stated = set(re.findall(rf"^ +(?:ENV )?({PREFIX}\w+)=", DOCKERFILE, re.MULTILINE))
    assert stated
    assert stated <= known


def test_settings_are_read_as_they_are_meant() -> None:
    given = SERVICES["http"]["environment"]
    plain = {k.removeprefix(PREFIX).lower(): re.sub(r"\$\{[^}]*\}", "secret", v) for k, v in given.items()}
    settings = Settings(**plain)
    assert settings.kafka_client()["sasl.password"] == "secret"
    assert settings.redis_url == "redis://:secret@redis:6379/0"
    assert settings.http_token is not None
    assert not settings.replay


def test_passwords_have_no_defaults() -> None:
    variables = dict(re.findall(r"\$\{(\w+):([?-])", FILE.read_text()))
    optional = {name for name, kind in variables.items() if kind == "-"}
    assert optional == {"PROJECT", "PROJECT_FOLDER"}
    example = (ROOT / "deploy" / "env.example").read_text()
    filled = dict(re.findall(r"^(\w+)=(.*)$", example, re.MULTILINE))
    assert set(filled) == set(variables)
    assert {name for name, value in filled.items() if value} == optional


def test_commands_run_the_services() -> None:
    for name in OWN - {"apply"}:
        assert SERVICES[name]["command"][:2] == ["service", name]
    assert SERVICES["apply"]["command"][0] == "apply"


def test_addresses_name_services_that_are_there() -> None:
    for name in OWN:
        for variable, value in SERVICES[name]["environment"].items():
            plain = re.sub(r"\$\{[^}]*\}", "secret", value)
            host = re.search(r"^(?:\w+\+?\w*://(?:\w*:\w+@)?)?([a-z-]+)(?::\d+|/\w)", plain)
            assert host is None or host[1] in SERVICES, variable


def test_ports_are_those_of_the_settings() -> None:
    settings = {name: field.default for name, field in Settings.model_fields.items()}
    published = {name: [p.split(":") for p in s["ports"]] for name, s in SERVICES.items() if "ports" in s}
    host = {name: int(ports[0][-2]) for name, ports in published.items()}
    assert host == {
        "kafka": settings["kafka_port"],
        "clickhouse": settings["warehouse_port"],
        "flink-jobmanager": settings["flink_port"],
        "prefect": settings["prefect_port"],
        "http": settings["http_port"],
        "prometheus": 19090,  # these two are not in the embedded stack
        "grafana": 13000,
    }
    # Only the HTTP door, which asks for its token, is open to other machines.
    assert [name for name, (port,) in published.items() if port[0] != "127.0.0.1"] == ["http"]


@pytest.mark.parametrize("name", SERVICES)
def test_each_is_watched_limited_and_started_again(name: str) -> None:
    service = SERVICES[name]
    limits = service["deploy"]["resources"]["limits"]
    assert set(limits) == {"cpus", "memory"}
    assert service["restart"] == ("on-failure" if name == "apply" else "unless-stopped")
    assert service["networks"]
    if name == "apply":
        assert service["healthcheck"] == {"disable": True}
    else:
        assert service["healthcheck"]["test"]


def test_volumes_and_networks_are_declared() -> None:
    used = {v.split(":")[0] for s in SERVICES.values() for v in s.get("volumes", []) if re.match(r"[a-z]", v)}
    assert used == set(COMPOSE["volumes"])
    assert {n for s in SERVICES.values() for n in s["networks"]} == set(COMPOSE["networks"])


def test_dependencies_are_there_and_watched() -> None:
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            wanted = "service_completed_successfully" if other == "apply" else "service_healthy"
            assert how["condition"] == wanted, (name, other)
            assert other in SERVICES


def test_docker_reads_it(tmp_path: Path) -> None:
    if (
        shutil.which("docker") is None
        or subprocess.run(["docker", "compose", "version"], capture_output=True).returncode
    ):
        pytest.skip("docker compose is not here")
    env = tmp_path / "env"
    example = (ROOT / "deploy" / "env.example").read_text()
    env.write_text(re.sub(r"^(\w+)=$", r"\1=secret", example, flags=re.MULTILINE))
    command = ["docker", "compose", "--env-file", str(env), "-f", str(FILE), "config", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
